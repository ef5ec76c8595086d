// What is built: the handler, behind the random numbers that QuickJS lacks.

import './random.js';

export * from './app.js';
