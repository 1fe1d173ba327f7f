import { after, before, describe } from 'node:test';
import { makeFolder } from './fixtures.js';
import { suite } from './suite.js';

describe('filmstrip', { concurrency: true }, () => {
  const media = {};
  before(() => Object.assign(media, makeFolder()));
  after(() => media.remove?.());
  suite(media, 'chromium', '127.0.0.1');
  suite(media, 'chromium', 'nas.test');
  suite(media, 'firefox', 'nas.test');
});
