/**
 * `sm completion <shell>`: the script that a shell sources. The scripts are the library's; in bash's, four lines are
 * replaced, because they evaluate what is on the command line (a half-typed `$(…)` would run on TAB), cannot be sourced
 * twice, need the bash-completion package, and complete nothing after `--kind=`.
 */
import { quoteShort, usageError } from '../arguments.ts';
import { captureLog } from '../capture-log.ts';
import { SHELLS, type CommandModule } from '../command.ts';
import { didYouMean } from '../suggest.ts';

export const command: CommandModule = {
  options: [],
  notes:
    "bash: echo 'source <(sm completion bash)' >> ~/.bashrc\n" +
    "zsh:  echo 'source <(sm completion zsh)' >> ~/.zshrc   (after compinit)\n" +
    'fish: sm completion fish > ~/.config/fish/completions/sm.fish',
  examples: ['source <(sm completion bash)', 'sm completion zsh > ~/.sm-completion.zsh'],
  async run(context, [name = ''], _options) {
    const shell = SHELLS.find((known) => known === name);
    if (shell === undefined) {
      throw usageError(
        `There is no completion for ${quoteShort(name)}.`,
        `${didYouMean(name, SHELLS)}Choose one of ${SHELLS.join(', ')}.`,
      );
    }
    const { script } = await import('@bomb.sh/tab');
    const text = captureLog(() => script(shell, 'sm', 'sm'));
    await context.stdout.write(shell === 'bash' ? mendBash(text) : text);
    return 0;
  },
};

const BASH_MENDS: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/^readonly (ShellCompDirective)/gm, '$1'],
  [
    / {4}_get_comp_words_by_ref -n "=:" cur prev words cword\n/,
    `    if declare -F _get_comp_words_by_ref > /dev/null; then
        _get_comp_words_by_ref -n "=:" cur prev words cword
    else
        __sm_words
    fi
`,
  ],
  [
    / {4}# Build the command to get completions[\s\S]*?out=\$\(eval "\$requestComp" 2>\/dev\/null\)\n/,
    `    out=$(sm complete -- "\${words[@]:1:$cword}" 2>/dev/null)\n`,
  ],
  [
    /COMPREPLY=\( \$\(compgen -W "\$\{completions\[\*\]\}" -- "\$cur"\) \)/,
    'COMPREPLY=( $(compgen -W "${completions[*]}" -- "${cur#--*=}") )',
  ],
  [
    /^# Function to handle completions\n/m,
    `# The words up to the cursor, for a bash without the bash-completion package: joins what bash split at "=" and ":"
__sm_words() {
    local i word
    words=("\${COMP_WORDS[0]}")
    for (( i = 1; i <= COMP_CWORD; i++ )); do
        word="\${COMP_WORDS[i]}"
        if [[ "$word" == [=:]* || "\${COMP_WORDS[i-1]}" == *[=:] ]] && (( \${#words[@]} > 1 )); then
            words[\${#words[@]}-1]+="$word"
        else
            words+=("$word")
        fi
    done
    cword=$(( \${#words[@]} - 1 ))
    cur="\${words[cword]}"
    prev="\${words[cword-1]}"
}

# Function to handle completions
`,
  ],
];

function mendBash(script: string): string {
  let mended = script;
  for (const [pattern, replacement] of BASH_MENDS) {
    const next = mended.replace(pattern, replacement);
    if (next === mended) throw new Error(`The completion library's bash script has changed; ${pattern} is not in it.`);
    mended = next;
  }
  return mended;
}
