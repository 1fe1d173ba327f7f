// The player, in each browser of suite.js.
import assert from 'node:assert/strict';
import { test } from 'node:test';

export function playerTests(bench) {
}
