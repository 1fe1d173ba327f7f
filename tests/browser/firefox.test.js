import { suite } from './suite.js';

suite('nas.test', 'firefox');
