/** The format of an export line, in its field `stackmemory`. A new field that an import must know is a new number. */
export const EXPORT_FORMAT = 1;
