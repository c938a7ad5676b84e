/** The part of fs-native-extensions (which ships no types) that lock.ts uses. */
declare module 'fs-native-extensions' {
  /** Takes an exclusive lock on an open file; false where another open file description holds one. */
  export function tryLock(descriptor: number): boolean;
}
