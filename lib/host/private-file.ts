/** Small files of ours that only their owner may read: complete or not at all, and their failures in words. */
import { replaceFile } from '../scope/replace-file.ts';
import { explainFileError } from '../store/file-errors.ts';

/** @throws SmError `disk_full`, `no_permission` or what else is in the way; the file is as it was then */
export function writePrivateFile(file: string, text: string): void {
  try {
    writeWhole(file, text);
  } catch (error) {
    throw explainFileError(error, file);
  }
}

/** As `writePrivateFile`, with a mode that the caller chooses. @throws as the file system has it */
export function writeWhole(file: string, text: string, mode?: number): void {
  if (replaceFile(file, text, mode === undefined ? {} : { mode })) return;
  throw Object.assign(new Error(`the temporary file of ${file} was taken away`), { code: 'EBUSY' });
}
