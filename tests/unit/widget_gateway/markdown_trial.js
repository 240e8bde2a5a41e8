// Runs the widget's own Markdown on texts from stdin, [[text, ...], ...]; tells processor microseconds of each.
'use strict';
const { readFileSync } = require('node:fs');
const vm = require('node:vm');

const widget = readFileSync(process.argv[2], 'utf8');
const part = widget.slice(widget.indexOf('/* ---------- markdown'), widget.indexOf('/* ---------- style'));
// All that this part of the widget asks of a page.
const node = () => ({ append() {} });
const page = { label: { doubt: '' }, document: { createDocumentFragment: node }, element: node, spoken: node, link: node, emit() {} };
const markdown = vm.runInNewContext(`${part}; markdown`, page);

const microseconds = text => {
  const doubts = Array.from({ length: text.length >> 4 }, (_, place) => [place << 4, (place << 4) + 9]);
  const before = process.cpuUsage();
  markdown(text, [{ i: 1, url: '/', title: '' }], doubts);
  const { user, system } = process.cpuUsage(before);
  return user + system;
};

const families = JSON.parse(readFileSync(0, 'utf8'));
families.slice(0, 20).forEach(texts => texts.forEach(microseconds));
const best = text => Math.min(microseconds(text), microseconds(text));
process.stdout.write(JSON.stringify(families.map(texts => texts.map(best))));
