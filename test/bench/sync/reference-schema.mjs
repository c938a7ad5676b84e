export const COLS = 'id,workspaceid,projectid,kind,title,body,tags,author,updatedat,origin';
export const ddl = `create table e(ws text not null default 'w1', id text primary key, workspaceid text, projectid text, kind text, title text, body text, tags text, author text, updatedat bigint not null, origin text not null);`;
// newest wins, in a total order: updatedAt, then origin, then body
export const upsert = (
  ws,
  base,
) => `insert into e(ws,${COLS}${base === undefined ? '' : ',seq'}) select 'w1', ${COLS.split(',')
  .map((c) => 'r.' + c)
  .join(',')}${base === undefined ? '' : `, ${base} + row_number() over ()`}
  from jsonb_to_recordset($1::jsonb) as r(id text, workspaceid text, projectid text, kind text, title text, body text, tags text, author text, updatedat bigint, origin text)
  on conflict (id) do update set ${COLS.split(',')
    .filter((c) => c !== 'id')
    .map((c) => `${c}=excluded.${c}`)
    .join(',')}${base === undefined ? '' : ', seq=excluded.seq'}
  where (excluded.updatedat, excluded.origin, excluded.body) > (e.updatedat, e.origin, e.body)`;
