-- What entries mean, as vectors of one model: made in the background where an address for embeddings is configured, and
-- never needed. `data` has a signed byte for each dimension; `text_hash` is that of the text that was embedded. Which
-- model it is, and up to where in the log it has come, is in brain_meta under 'embeddings' (lib/recall/vector-tables.ts).
CREATE TABLE brain_vectors (
  entry_id text COLLATE "C" PRIMARY KEY,
  workspace_id text COLLATE "C" NOT NULL,
  text_hash text NOT NULL,
  data bytea NOT NULL
);
--> statement-breakpoint
CREATE INDEX brain_vectors_by_workspace ON brain_vectors (workspace_id, entry_id);
