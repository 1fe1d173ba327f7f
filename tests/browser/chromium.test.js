import { suite } from './suite.js';

suite('127.0.0.1');
