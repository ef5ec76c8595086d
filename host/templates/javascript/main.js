// What is built: the component that calls what `app` exports.

import './vibrato/globals.js';
import * as app from './app';
import { component } from './vibrato/component.js';

export const { handle, describe } = component(app);
