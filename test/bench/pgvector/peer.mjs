/** A table of vectors in PGlite with pgvector, written in batches and searched exactly or by HNSW. */
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';

const NEAREST = 'SELECT id FROM v ORDER BY e <=> $1 LIMIT 40';

export async function openPgvector(directory, dimensions) {
  const peer = await PGlite.create(directory, { extensions: { vector } });
  await peer.exec(`CREATE EXTENSION vector; CREATE TABLE v (id serial PRIMARY KEY, e vector(${dimensions}));
    ALTER TABLE v ALTER COLUMN e SET STORAGE PLAIN`);
  const asText = (values) => `[${[...values].map((value) => value.toFixed(5)).join(',')}]`;
  return {
    write: (vectors) =>
      peer.query('INSERT INTO v (e) SELECT e::vector FROM json_array_elements_text($1::json) AS r(e)', [
        JSON.stringify(vectors.map(asText)),
      ]),
    search: (question) => peer.query(NEAREST, [asText(question)]),
    index: () => peer.exec('CREATE INDEX ON v USING hnsw (e vector_cosine_ops)'),
    close: () => peer.close(),
  };
}
