/** The bundle with the tokenizer, 2 MB of it, apart from everything else: only who packs a context loads it. */
export { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
