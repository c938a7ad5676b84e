/** An address as a QR code of block characters, for a phone's camera. */
import { renderUnicodeCompact } from 'uqr';

export function qrOf(text: string): string {
  return renderUnicodeCompact(text, { ecc: 'L', border: 2 });
}
