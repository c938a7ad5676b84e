/** What an entry belongs to, and what a read sees. */

/** Where entries belong. `workspaceId` is `""` on a brain that has never logged in. */
export interface Scope {
  workspaceId: string;
  projectId: string;
}

/** Which entries a read sees: one project of a workspace, or (`projectId: null`) the whole workspace. */
export interface ReadScope {
  workspaceId: string;
  projectId: string | null;
}
