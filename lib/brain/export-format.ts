/** The format of an export line, in its field `stackmemory`. A new field that an import must know is a new number. */
export const EXPORT_FORMAT = 1;
/** Of a line that withdraws another. */
export const EXPORT_FORMAT_WITHDRAWING = 2;
