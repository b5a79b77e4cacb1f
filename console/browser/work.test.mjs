/**
 * What people do at the console, in a real browser, at a real collector and agent with a simulated checkpoint: rules,
 * windows, commands, notifications, files, pictures, many at once, states of pages, and signing in elsewhere.
 *
 * The parts share one stage and leave it as they found it.
 */
import { describe } from 'node:test';
import { setUp } from './scene.mjs';
import { commands } from './subjects/commands.mjs';
import { devices } from './subjects/devices.mjs';
import { evidence } from './subjects/evidence.mjs';
import { maintenance } from './subjects/maintenance.mjs';
import { notifications } from './subjects/notifications.mjs';
import { reports } from './subjects/reports.mjs';
import { rules } from './subjects/rules.mjs';
import { signingIn } from './subjects/sign-in.mjs';
import { states } from './subjects/states.mjs';

const scene = setUp([]);
describe('rules', () => rules(scene));
describe('windows of maintenance', () => maintenance(scene));
describe('many at once', () => devices(scene));
describe('files', () => reports(scene));
describe('evidence and connections', () => evidence(scene));
describe('states', () => states(scene));
describe('notifications', () => notifications(scene));
describe('commands', () => commands(scene));
describe('an identity provider', () => signingIn(scene));
