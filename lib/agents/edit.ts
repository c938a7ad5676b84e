/**
 * One wish about a settings file of somebody else, and how it is made to hold in a text: an entry in JSON, TOML or YAML,
 * or a block of prose. Pure. Whatever else the text has, comments and odd spacing included, stays as it is, byte for
 * byte; a wish that holds already changes nothing, and one that cannot be made to hold safely is refused.
 */
import { SmError } from '../core/errors.ts';
import { setInJson, unsetInJson } from './json-text.ts';
import { addBlock, removeBlock } from './marked-text.ts';
import { setInToml, unsetInToml } from './toml-text.ts';
import type { Edit } from './wish.ts';
import { setInYaml, unsetInYaml } from './yaml-text.ts';

/** @throws SmError `config_invalid` for a text that cannot be read, `conflict` for one that is of another shape */
export function applyEdit(text: string, edit: Edit): string {
  switch (edit.format) {
    case 'json':
    case 'json-item':
      return setInJson(text, edit);
    case 'toml':
      return setInToml(text, edit);
    case 'yaml':
    case 'yaml-item':
      return setInYaml(text, edit);
    case 'file':
      requireOwn(text, edit.mark);
      return edit.text;
    case 'text':
      return addBlock(text, edit.block);
    default:
      return edit satisfies never;
  }
}

function requireOwn(text: string, mark: string): void {
  if (text === '' || text.startsWith(mark)) return;
  throw new SmError({ code: 'conflict', message: 'it is there already, and is not ours' });
}

/** Takes back what `applyEdit` did, and leaves what is another's. @throws SmError as `applyEdit` */
export function revertEdit(text: string, edit: Edit): string {
  switch (edit.format) {
    case 'json':
    case 'json-item':
      return unsetInJson(text, edit);
    case 'toml':
      return unsetInToml(text, edit);
    case 'yaml':
    case 'yaml-item':
      return unsetInYaml(text, edit);
    case 'file':
      return text.startsWith(edit.mark) ? '' : text;
    case 'text':
      return removeBlock(text);
    default:
      return edit satisfies never;
  }
}
