/**
 * Takes signals over from those who listened before, for what ends in its own way. The new listener comes before the old
 * ones go: a signal that has arrived and was not handed out yet, because something large was being loaded, would be lost
 * with the last of them.
 */
export function takeSignals(signals: readonly NodeJS.Signals[], onSignal: () => void): void {
  for (const signal of signals) {
    const others = process.listeners(signal);
    process.on(signal, onSignal);
    for (const other of others) process.removeListener(signal, other);
  }
}
