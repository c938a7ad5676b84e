/** A whole virtual machine, from its first boot over a pulled plug to the uninstallation; guest.sh has what is asked of it. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** Gathering and making the root come before what SM_VM_MINUTES allows the machine. */
const PATIENCE_MS = (Number(process.env['SM_VM_MINUTES'] ?? 35) + 15) * 60_000;

test(
  '[B13] cloud-init makes a box that outlives restarts, hangs, an absent tailnet and a pulled plug',
  () => {
    const script = path.join(fileURLToPath(new URL('.', import.meta.url)), 'run-vm.sh');
    const { stdout, stderr } = spawnSync(script, { encoding: 'utf8' });
    expect(
      stdout.split('\n').filter((line) => line.startsWith('not ok')),
      stdout + stderr,
    ).toEqual([]);
    expect(stdout).toContain('the box is sound');
  },
  PATIENCE_MS,
);
