/*
 * Kladez chat widget: hand-written ES2020, no build step, no dependencies.
 *
 *   <script async src="https://chat.example/widget.js" data-shop-id="…"></script>
 *
 * Optional: data-lang, data-theme (auto, light, dark), data-accent, data-position (left), data-title, data-server.
 * Text from the server enters the page through textContent alone, so the strictest CSP and Trusted Types hold.
 */
(() => {
'use strict';

const script = document.currentScript || document.querySelector('script[data-shop-id]');
if (!script || window.Kladez) return;

const options = script.dataset;
const server = options.server || new URL(script.src).origin;
const phone = matchMedia('(max-width: 480px)');
const STORAGE_KEY = 'kladez:' + options.shopId;
const KEEP_MILLISECONDS = 7 * 24 * 3600 * 1000;
const KEEP_MESSAGES = 60;

/* ---------- words ---------- */

const LABELS = {
  en: {
    open: 'Open chat', close: 'Close chat', title: 'Shop assistant', fresh: 'New conversation',
    hint: 'Ask about our products…', send: 'Send', stop: 'Stop',
    you: 'You said', assistant: 'Assistant said', thinking: 'Looking it up', sources: 'Sources',
    stopped: 'Stopped.', retry: 'Try again', wait: 'Try again #.',
    offline: 'No connection. Your question will be sent when it is back.',
    helped: 'This helped', unhelpful: 'This did not help', thanks: 'Thank you!',
    reasons: ['It is wrong', 'Not what I asked', 'Out of date', 'Hard to understand'],
    note: 'Answers may be wrong: check the sources.',
    doubt: 'Not confirmed by the sources', legend: 'Dotted: not confirmed by the sources.',
    quoted: 'The assistant’s writer is away: these are quotations.',
    telegram: 'Continue in Telegram',
    rate_limited: 'Too many questions for now.', too_long: 'The question is too long.',
    unavailable: 'The assistant is not available right now.', internal: 'Something went wrong.',
  },
  ru: {
    open: 'Открыть чат', close: 'Закрыть чат', title: 'Помощник магазина', fresh: 'Новый разговор',
    hint: 'Спросите о товарах…', send: 'Отправить', stop: 'Остановить',
    you: 'Вы', assistant: 'Помощник', thinking: 'Ищу ответ', sources: 'Источники',
    stopped: 'Остановлено.', retry: 'Повторить', wait: 'Попробуйте #.',
    offline: 'Нет связи. Вопрос уйдёт, когда она вернётся.',
    helped: 'Ответ помог', unhelpful: 'Ответ не помог', thanks: 'Спасибо!',
    reasons: ['Неверно', 'Не о том', 'Устарело', 'Непонятно'],
    note: 'Ответы бывают неточны: сверяйтесь с источниками.',
    doubt: 'Не подтверждено источниками', legend: 'Точками подчёркнуто: не подтверждено источниками.',
    quoted: 'Автор ответов сейчас недоступен: это цитаты.',
    telegram: 'Продолжить в Telegram',
    rate_limited: 'Пока слишком много вопросов.', too_long: 'Вопрос слишком длинный.',
    unavailable: 'Помощник сейчас недоступен.', internal: 'Что-то пошло не так.',
  },
  pt: {
    open: 'Abrir chat', close: 'Fechar chat', title: 'Assistente da loja', fresh: 'Nova conversa',
    hint: 'Pergunte sobre os produtos…', send: 'Enviar', stop: 'Parar',
    you: 'Você disse', assistant: 'Assistente disse', thinking: 'Procurando', sources: 'Fontes',
    stopped: 'Interrompido.', retry: 'Tentar de novo', wait: 'Tente #.',
    offline: 'Sem conexão. A pergunta será enviada quando ela voltar.',
    helped: 'Ajudou', unhelpful: 'Não ajudou', thanks: 'Obrigado!',
    reasons: ['Está errado', 'Não é o que perguntei', 'Desatualizado', 'Difícil de entender'],
    note: 'As respostas podem ter erros: confira as fontes.',
    doubt: 'Não confirmado pelas fontes', legend: 'Pontilhado: não confirmado pelas fontes.',
    quoted: 'O redator do assistente está indisponível: estas são citações.',
    telegram: 'Continuar no Telegram',
    rate_limited: 'Perguntas demais por agora.', too_long: 'A pergunta é longa demais.',
    unavailable: 'O assistente não está disponível agora.', internal: 'Algo deu errado.',
  },
};
const wanted = (options.lang || document.documentElement.lang || navigator.language || 'en').slice(0, 2).toLowerCase();
const language = LABELS[wanted] ? wanted : 'en';
const label = LABELS[language];
label.busy = label.quota_spent = label.rate_limited;

/* ---------- state: the session and the transcript, kept for a week ---------- */

const randomId = () => [...crypto.getRandomValues(new Uint32Array(4))].map(part => part.toString(36)).join('');
const freshState = () => ({ conversation: randomId(), sid: '', token: '', greeting: '', messages: [], open: false, unread: 0, seen: 0 });

// Storage may be missing or full: private windows, sandboxed frames.
const stored = () => {
  try {
    const found = JSON.parse(localStorage.getItem(STORAGE_KEY));
    return Date.now() - found?.seen < KEEP_MILLISECONDS ? { ...freshState(), ...found } : null;
  } catch { return null; }
};
let state = stored() || freshState();
const save = () => {
  state.messages = state.messages.slice(-KEEP_MESSAGES);
  state.seen = Date.now();
  try { localStorage.setItem(STORAGE_KEY, JSON.stringify(state)); } catch { /* as above */ }
};

// A message is a question with its answer. waiting: not begun; running; then done, cancelled or failed.
const isPending = message => message.status === 'waiting' || message.status === 'running';
const pending = () => state.messages.filter(isPending);
const newMessage = (question, id) => ({ id, question, status: 'waiting', number: 0, text: '', items: [], doubts: [], end: '', code: '', wait: 0, aid: '', vote: 0, why: '' });
const restart = (message, id) => Object.assign(message, newMessage(message.question, id));

/* ---------- elements ---------- */

const SVG = 'http://www.w3.org/2000/svg';
const element = (tag, attributes = {}, ...children) => {
  const node = ['svg', 'path'].includes(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
};
const ICONS = { chat: 'M4 5h16v11H9l-5 4z', close: 'M6 6l12 12M18 6L6 18', send: 'M12 19V5M5 12l7-7 7 7', stop: 'M7 7h10v10H7z', fresh: 'M12 5v14M5 12h14',
  thumb: 'M7 10v11H3V10zh2l4-8c2 0 3 1 3 3l-1 4h6l2 2-2 8-2 2H7' };
const icon = name => element('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, element('path', { d: ICONS[name] }));
const safeUrl = text => {
  try {
    const url = new URL(text, location.href);
    return text && /^(https?|mailto|tel):$/.test(url.protocol) ? url : null;
  } catch { return null; }
};
// The shop's own pages open in this tab, others in a new one.
const link = (address, attributes, ...children) => {
  const url = safeUrl(address);
  if (!url) return element('span', attributes, ...children);
  const elsewhere = url.origin !== location.origin && { target: '_blank', rel: 'noopener noreferrer nofollow' };
  return element('a', { ...attributes, href: url.href, ...elsewhere }, ...children);
};

/* ---------- markdown, the small part of it that answers use ---------- */

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[(\d{1,2})\](?!\()|\[([^[\]]+)\]\(([^)\s]{1,2000})\)|(https?:\/\/[^\s<>()]*[^\s<>().,;:!?])/g;
// `at` is where the text stands in the answer; `seen` holds its sources, its doubts and those told.
const inline = (text, seen, at) => {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, strong, emphasis, number, title, address, bare] = match;
    const start = at + match.index;
    nodes.push(...words(text.slice(end, match.index), seen, at + end));
    end = match.index + whole.length;
    if (code) nodes.push(element('code', {}, ...words(code, seen, start + 1)));
    else if (strong) nodes.push(element('strong', {}, ...inline(strong, seen, start + 2)));
    else if (emphasis) nodes.push(element('em', {}, ...words(emphasis, seen, start + 1)));
    else if (number) nodes.push(reference(whole, seen.items.find(item => item.i === +number)));
    else nodes.push(link(address || bare, {}, ...words(title || bare, seen, start + (title ? 1 : 0))));
  }
  nodes.push(...words(text.slice(end), seen, at + end));
  return nodes;
};
// Doubtful sentences are underlined, and said to be so once each.
const words = (text, seen, at) => {
  const nodes = [];
  let end = 0;
  // Texts come in their order, so a doubt that ended needs no second look.
  while (seen.doubts[seen.next]?.[1] <= at) seen.next++;
  for (let next = seen.next; seen.doubts[next]?.[0] < at + text.length; next++) {
    const doubt = seen.doubts[next];
    const [from, to] = doubt.map(place => Math.min(Math.max(place - at, end), text.length));
    if (from >= to) continue;
    const told = seen.told.has(doubt);
    nodes.push(text.slice(end, from), told ? '' : spoken(label.doubt), element('span', { class: 'doubt', title: label.doubt }, text.slice(from, to)));
    seen.told.add(doubt);
    end = to;
  }
  nodes.push(text.slice(end));
  return nodes;
};
const reference = (mark, item) => item
  ? element('sup', {}, link(item.url, { title: item.title, onclick: () => emit('citation', item) }, mark))
  : mark;

const BLOCKS = [
  [/^\s*[-*•]\s+(.*)/, 'ul'],
  [/^\s*\d+[.)]\s+(.*)/, 'ol'],
  [/^#{1,6}\s+(.*)/, 'heading'],
];
const markdown = (source, items, doubts = []) => {
  const fragment = document.createDocumentFragment();
  // A heading may be doubted after what stands behind it.
  const seen = { items, doubts: [...doubts].sort((one, other) => one[0] - other[0]), told: new Set(), next: 0 };
  let open = null, lineEnd = -1;
  const begin = (kind, node) => { fragment.append(node); open = { kind, node }; };
  for (const line of source.split('\n')) {
    lineEnd += line.length + 1;
    const fence = line.startsWith('```');
    if (open?.kind === 'pre') {
      if (fence) open = null; else open.node.append(line + '\n');
      continue;
    }
    const [kind, text] = fence ? ['pre'] : blockOf(line);
    const nodes = text ? inline(text, seen, lineEnd - text.length) : [];
    const goesOn = open?.kind === kind;
    if (kind === 'pre') begin(kind, element(kind, { tabindex: 0 }));
    else if (kind === 'blank') open = null;
    else if (kind === 'heading') begin(kind, element('p', { class: kind }, ...nodes));
    else {
      if (!goesOn) begin(kind, element(kind));
      else if (kind === 'p') open.node.append(element('br'));
      open.node.append(...(kind === 'p' ? nodes : [element('li', {}, ...nodes)]));
    }
  }
  return fragment;
};
const blockOf = line => {
  for (const [pattern, kind] of BLOCKS) {
    const match = pattern.exec(line);
    if (match) return [kind, match[1]];
  }
  return line.trim() ? ['p', line] : ['blank'];
};

/* ---------- style ---------- */

const DARK = `--background: #17191d; --text: #eceef0; --quiet: #a3abb3; --bubble: #262a30; --line: #3b4149; --focus: #7fd0c3; color-scheme: dark;`;
const STYLE = `
:host {
  all: initial;
  --accent: var(--kladez-accent, #0f5f59); --on-accent: var(--kladez-on-accent, #fff);
  --background: #fff; --text: #1b1d20; --quiet: #5a626a; --bubble: #f1f3f2; --line: #d8dddb; --focus: var(--accent);
  --radius: var(--kladez-radius, 16px);
  font: 15px/1.45 var(--kladez-font, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
}
:host([hidden]) { display: none; }
:host([theme=dark]) { ${DARK} }
@media (prefers-color-scheme: dark) { :host([theme=auto]) { ${DARK} } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
.root { position: fixed; inset: auto 20px 20px auto; z-index: var(--kladez-z, 2147483000); color: var(--text); }
:host([side=left]) .root { inset: auto auto 20px 20px; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
svg { display: block; width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.launcher { position: relative; display: grid; place-items: center; width: 58px; height: 58px; border-radius: 50%; background: var(--accent); color: var(--on-accent); box-shadow: 0 6px 20px #0004; transition: transform .15s; }
.launcher:hover { transform: scale(1.05); }
.launcher svg { width: 26px; height: 26px; }
.badge { position: absolute; inset: -4px -4px auto auto; min-width: 21px; border-radius: 11px; padding: 0 5px; background: #c3221f; color: #fff; font-size: 12px; line-height: 21px; text-align: center; }
.panel { position: absolute; inset: auto 0 72px auto; display: flex; flex-direction: column; width: min(390px, calc(100vw - 40px)); height: min(620px, calc(100dvh - 112px)); border: 1px solid var(--line); border-radius: var(--radius); background: var(--background); box-shadow: 0 16px 48px #0003; overflow: hidden; animation: rise .18s ease-out; }
:host([side=left]) .panel { inset: auto auto 72px 0; }
@keyframes rise { from { opacity: 0; transform: translateY(10px); } }
header { display: flex; align-items: center; gap: 6px; padding: 12px 12px 12px 18px; background: var(--accent); color: var(--on-accent); }
h2 { flex: 1; margin: 0; font-size: 16px; font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
header button { display: grid; place-items: center; width: 34px; height: 34px; border-radius: 9px; }
header button:hover { background: #fff2; }
header :focus-visible { outline-color: currentColor; outline-offset: -2px; }
.log { flex: 1; display: flex; flex-direction: column; gap: 10px; padding: 16px; overflow-y: auto; overscroll-behavior: contain; }
.bubble { align-self: flex-start; max-width: 90%; padding: 10px 14px; border-radius: var(--radius) var(--radius) var(--radius) 5px; background: var(--bubble); overflow-wrap: anywhere; }
.mine { align-self: flex-end; border-radius: var(--radius) var(--radius) 5px var(--radius); background: var(--accent); color: var(--on-accent); white-space: pre-wrap; }
p, ul, ol, pre { margin: 0 0 8px; }
.bubble > :last-child { margin-bottom: 0; }
ul, ol { padding-inline-start: 20px; }
a { color: inherit; }
.heading { font-weight: 600; }
.doubt { text-decoration: underline dotted; text-underline-offset: 3px; }
sup { font-size: 11px; font-weight: 600; line-height: 0; }
sup a { text-decoration: none; padding: 0 1px; }
pre { overflow: auto; font-size: 13px; }
.sources { display: grid; gap: 6px; margin-top: 10px; padding: 0; list-style: none; }
.card { display: grid; grid-template-columns: auto 1fr; gap: 1px 8px; padding: 8px 10px; border: 1px solid var(--line); border-radius: 10px; background: var(--background); text-decoration: none; font-size: 13px; line-height: 1.35; }
a.card:hover { border-color: var(--focus); }
.card i { grid-row: span 2; font-style: normal; color: var(--quiet); }
.card b { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.card span { color: var(--quiet); display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden; }
.quiet { color: var(--quiet); font-size: 14px; }
.not_sure { border: 1px dashed; }
.again, .telegram, sup a:hover { text-decoration: underline; }
.suggested { display: flex; flex-wrap: wrap; gap: 7px; }
.suggested button { padding: 6px 13px; border: 1px solid var(--line); border-radius: 17px; text-align: start; }
.suggested button:hover { border-color: var(--focus); }
.thumbs { display: flex; gap: 4px; margin-top: 8px; }
.thumbs button { padding: 2px 7px; border-radius: 9px; }
.thumbs svg { width: 18px; height: 24px; }
.thumbs :last-child svg { transform: rotate(180deg); }
.thumbs button:hover { background: var(--line); }
.status { padding: 7px 16px; color: var(--quiet); font-size: 13px; }
.status:empty { display: none; }
form { display: flex; gap: 8px; align-items: flex-end; padding: 10px 12px 6px; border-top: 1px solid var(--line); }
textarea { flex: 1; min-height: 42px; max-height: 128px; padding: 9px 12px; border: 1px solid var(--quiet); border-radius: 12px; background: var(--background); color: inherit; font: inherit; resize: none; }
textarea:focus-visible { outline-width: 2px; outline-offset: -1px; }
textarea::placeholder { color: var(--quiet); opacity: 1; }
form button { display: grid; place-items: center; flex: none; width: 42px; height: 42px; border-radius: 12px; background: var(--accent); color: var(--on-accent); }
.telegram { margin-left: 1ch; cursor: pointer; }
.note { margin: 0; padding: 0 12px 9px; color: var(--quiet); font-size: 12px; text-align: center; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.thinking::after { content: "…"; animation: blink 1.1s infinite; }
@keyframes blink { 50% { opacity: .2; } }
@media (max-width: 480px) {
  .panel:not([hidden]) + .launcher { display: none; }
  .root .panel { position: fixed; inset: 0; width: 100%; height: 100dvh; border: 0; border-radius: 0; }
  header { padding-top: max(12px, env(safe-area-inset-top)); }
  .note { padding-bottom: max(9px, env(safe-area-inset-bottom)); }
  textarea { font-size: 16px; }
}
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
@media (forced-colors: active) { .launcher, .bubble, .panel, form button { border: 1px solid ButtonText; } }
@media print { .root { display: none; } }
`;
const host = element('kladez-chat', { theme: options.theme || 'auto', side: options.position || 'right' });
if (options.accent && CSS.supports('color', options.accent)) host.style.setProperty('--kladez-accent', options.accent);
const shadow = host.attachShadow({ mode: 'open' });
try {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  shadow.adoptedStyleSheets = [sheet];
} catch {
  shadow.append(element('style', { nonce: script.nonce }, STYLE));
}

/* ---------- view ---------- */

const badge = element('span', { class: 'badge', 'aria-hidden': 'true' });
const launcher = element('button', { class: 'launcher', part: 'launcher', type: 'button', 'aria-haspopup': 'dialog', onclick: () => api.toggle() }, icon('chat'), badge);
const title = element('h2', { id: 'title' }, options.title || label.title);
const log = element('div', { class: 'log', role: 'log', 'aria-live': 'off', 'aria-label': label.title, tabindex: 0 });
const status = element('div', { class: 'status', role: 'status' });
const announcement = element('div', { class: 'unseen', role: 'status' });
const greeting = element('div', { class: 'bubble', dir: 'auto' });
const suggested = element('div', { class: 'suggested' });
const input = element('textarea', { rows: 1, maxlength: 2000, 'aria-label': label.hint, placeholder: label.hint, autocomplete: 'off', enterkeyhint: 'send', oninput: () => grow(), onkeydown: event => submitOnEnter(event) });
// A link only while it holds: a code works once, and ten minutes.
const telegram = element('a', { class: 'telegram', role: 'button', tabindex: 0, target: '_blank', rel: 'noopener', hidden: '', onclick: event => askForLink(event), onkeydown: event => { if (event.key === 'Enter' && !telegram.href) telegram.click(); } }, label.telegram);
const askForLink = event => {
  if (telegram.href) { setTimeout(() => telegram.removeAttribute('href')); return; }
  event.preventDefault();
  send({ t: 'telegram' });
};
const followLink = url => { telegram.href = url; telegram.click(); };
const submitButton = element('button', { type: 'submit' });
const panel = element('section', { class: 'panel', part: 'panel', role: 'dialog', 'aria-labelledby': 'title', lang: language, tabindex: -1, hidden: '', onkeydown: event => panelKey(event) },
  element('header', {}, title,
    element('button', { type: 'button', 'aria-label': label.fresh, title: label.fresh, onclick: () => api.reset() }, icon('fresh')),
    element('button', { type: 'button', 'aria-label': label.close, onclick: () => api.close() }, icon('close'))),
  log, status,
  element('form', { onsubmit: event => { event.preventDefault(); if (pending().length) api.stop(); else submit(); } }, input, submitButton),
  element('p', { class: 'note' }, label.note, telegram));
shadow.append(element('div', { class: 'root' }, panel, launcher, announcement));

const grow = () => { input.style.height = 'auto'; input.style.height = input.scrollHeight + 2 + 'px'; };
const submitOnEnter = event => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!pending().length) submit();
};
const submit = () => {
  const question = input.value;
  input.value = '';
  grow();
  ask(question);
};
const panelKey = event => {
  if (event.key === 'Escape') { event.stopPropagation(); api.close(); }
  if (event.key === 'Tab' && phone.matches) keepFocusInside(event);
};
// On phones the chat covers the page, so Tab must not wander off behind it.
const keepFocusInside = event => {
  const stops = [...panel.querySelectorAll('button, textarea, a[href], [tabindex="0"]')];
  const [from, to] = event.shiftKey ? [stops[0], stops.pop()] : [stops.pop(), stops[0]];
  if (shadow.activeElement !== from) return;
  event.preventDefault();
  to.focus();
};

const bubbles = new Map();
const bubblesOf = message => {
  if (!bubbles.has(message)) {
    const mine = element('div', { class: 'bubble mine', dir: 'auto' }, spoken(label.you), message.question);
    bubbles.set(message, { mine, answer: element('div', { class: 'bubble', dir: 'auto' }) });
  }
  return bubbles.get(message);
};
const quiet = (...children) => element('p', { class: 'quiet' }, ...children);
const spoken = who => element('span', { class: 'unseen' }, who + ': ');

const paint = message => {
  const { mine, answer } = bubblesOf(message);
  const atBottom = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  if (!mine.isConnected) log.append(mine, answer);
  answer.className = 'bubble ' + message.end;
  answer.replaceChildren(spoken(label.assistant), markdown(message.text, message.items, message.doubts), ...ending(message));
  if (atBottom) log.scrollTop = log.scrollHeight;
  paintControls();
};
const ending = message => {
  if (isPending(message)) return message.text ? [] : [element('p', { class: 'quiet thinking' }, label.thinking)];
  if (message.status === 'failed') return [failure(message)];
  if (message.status === 'cancelled') return [quiet(label.stopped)];
  const cited = message.items.filter(item => message.text.includes('[' + item.i + ']'));
  const contact = message.end === 'human' && message.text.match(/[\w.+-]{1,64}@[\w.-]+\w/);
  return [
    message.end === 'quoted' && quiet(label.quoted),
    contact && link('mailto:' + contact, { class: 'card' }, contact),
    message.doubts?.length && quiet(label.legend),
    cited.length && element('ul', { class: 'sources', 'aria-label': label.sources }, ...cited.map(card)),
    message.aid && verdict(message),
  ].filter(Boolean);
};
// Thumbs, reasons, thanks.
const verdict = message => {
  if (message.vote > 0 || message.why) return quiet(label.thanks);
  if (message.vote) return element('div', { class: 'suggested' }, ...label.reasons.map(why => element('button', { type: 'button', onclick: () => rate(message, -1, why) }, why)));
  const thumb = (name, value) => element('button', { type: 'button', 'aria-label': name, title: name, onclick: () => rate(message, value) }, icon('thumb'));
  return element('div', { class: 'thumbs' }, thumb(label.helped, 1), thumb(label.unhelpful, -1));
};
const rate = (message, value, why = '') => {
  if (!send({ t: 'feedback', id: message.id, aid: message.aid, v: value, reason: why })) return connect();
  message.why = why;
};
const failure = message => {
  const [size, unit] = message.wait > 99 ? [3600, 'hour'] : [1, 'second'];
  const time = new Intl.RelativeTimeFormat(language).format(Math.ceil((message.wait || 0) / size), unit);
  const wait = message.wait ? ' ' + label.wait.replace('#', time) : '';
  const again = element('button', { class: 'again', type: 'button', onclick: () => retry(message) }, label.retry);
  return quiet((label[message.code] || label.internal) + wait + ' ', again);
};
const card = item => element('li', {}, link(item.url, { class: 'card', onclick: () => emit('citation', item) },
  element('i', {}, item.i), element('b', {}, item.title || item.url), element('span', {}, item.snippet)));

const paintControls = () => {
  const name = pending().length ? 'stop' : 'send';
  if (submitButton.getAttribute('aria-label') !== label[name]) {
    submitButton.setAttribute('aria-label', label[name]);
    submitButton.replaceChildren(icon(name));
  }
  badge.hidden = state.open || !state.unread;
  badge.textContent = state.unread > 9 ? '9+' : state.unread;
  launcher.setAttribute('aria-label', (state.open ? label.close : label.open) + (badge.hidden ? '' : ` (${state.unread})`));
  launcher.setAttribute('aria-expanded', state.open);
};
const paintAll = () => {
  bubbles.clear();
  unpainted.clear();
  greeting.replaceChildren(markdown(state.greeting, []));
  log.replaceChildren(...(state.greeting ? [greeting] : []));
  state.messages.forEach(paint);
  if (!state.messages.length) log.append(suggested);
  paintControls();
};
// Deltas come faster than screens refresh.
const unpainted = new Set();
const paintSoon = message => {
  if (!unpainted.size) requestAnimationFrame(() => { unpainted.forEach(paint); unpainted.clear(); });
  unpainted.add(message);
};

/* ---------- conversation ---------- */

const ask = text => {
  const question = String(text).trim();
  if (!question) return;
  if ([...question].length > input.maxLength) { status.textContent = label.too_long; return; }
  suggested.remove();
  const message = newMessage(question, randomId());
  state.messages.push(message);
  save();
  paint(message);
  log.scrollTop = log.scrollHeight;
  emit('ask', { id: message.id, question });
  sendQuestion(message);
};
const sendQuestion = message => {
  if (gone) fail(message);
  else if (!send({ t: 'ask', id: message.id, q: message.question, page: page() })) connect();
};
// A new id: under the old one the server would show the failure again.
const retry = message => {
  restart(message, randomId());
  save();
  paint(message);
  sendQuestion(message);
};
const finish = (message, outcome, { code, retry_after: wait, aid, finish_reason: end }) => {
  Object.assign(message, { status: outcome, code, wait, aid, end });
  resuming.delete(message.id);
  unpainted.delete(message);
  if (!state.open) state.unread++;
  // The whole answer at once: a live log would read each word.
  announcement.textContent = label.assistant + ': ' + (message.text.replace(/[*`#]|\[\d+\]/g, '') || label[code] || '').slice(0, 1500) + (message.doubts?.length ? ' ' + label.legend : '');
  emit(outcome === 'failed' ? 'error' : 'answer', { id: message.id, question: message.question, text: message.text, citations: message.items, code });
};
const fail = message => {
  finish(message, 'failed', { code: 'internal' });
  paint(message);
};

/* ---------- frames from the server; events of an answer are numbered from 1 ---------- */

const resuming = new Set();
const receive = frame => {
  if (frame.t === 'welcome') return welcome(frame);
  if (frame.t === 'session') return keepSession(frame);
  if (frame.t === 'telegram') return followLink(frame.url);
  if (frame.t === 'draining') { ready = false; return; }
  const message = state.messages.find(message => message.id === frame.id);
  if (message && frame.t === 'rated') return rated(message, frame.v);
  if (!message || !isPending(message)) return;
  if (frame.t === 'unknown') { restart(message, message.id); sendQuestion(message); }
  else if (frame.t === 'snapshot') applySnapshot(message, frame);
  else if (!applyEvent(message, frame)) return;
  paint(message);
  save();
};
const rated = (message, value) => {
  message.vote = value;
  if (value > 0 || message.why) announcement.textContent = label.thanks;
  paint(message);
  save();
};
const applySnapshot = (message, frame) => {
  resuming.delete(message.id);
  Object.assign(message, { text: frame.text, items: frame.items, doubts: frame.doubts, number: frame.n, status: 'running' });
  if (frame.status !== 'running') finish(message, frame.status, frame);
};
// False when there is nothing to paint now.
const applyEvent = (message, frame) => {
  if (frame.n) {
    if (frame.n <= message.number || resuming.has(message.id)) return false;
    if (frame.n > message.number + 1) { resuming.add(message.id); send({ t: 'resume', id: message.id }); return false; }
    message.number = frame.n;
    message.status = 'running';
  }
  if (frame.t === 'delta') { message.text += frame.d; paintSoon(message); return false; }
  if (frame.t === 'citations') message.items = frame.items;
  if (frame.t === 'doubt') message.doubts = [...(message.doubts || []), frame.range];
  if (frame.t === 'done') finish(message, frame.status, frame);
  if (frame.t === 'error') finish(message, 'failed', frame);
  return true;
};
const keepSession = ({ sid, token }) => { Object.assign(state, { sid, token }); save(); };
const welcome = frame => {
  ready = true;
  attempts = 0;
  status.textContent = '';
  resuming.clear();
  input.maxLength = frame.limits.question;
  if (!options.title && frame.config.title) title.textContent = frame.config.title;
  suggested.replaceChildren(...frame.config.suggested.map(question => element('button', { type: 'button', onclick: () => ask(question) }, question)));
  const firstTime = state.greeting !== frame.config.greeting;
  state.greeting = frame.config.greeting;
  keepSession(frame);
  if (firstTime || !state.messages.length) paintAll();
  telegram.hidden = !frame.config.telegram;
  beat(frame.hb);
  // Also what was asked before this welcome: no id is answered twice.
  state.messages.filter(message => message.status === 'waiting').forEach(sendQuestion);
  emit('ready', {});
};

/* ---------- connection: while it is needed ---------- */

const FATAL = [4400, 4401, 4403, 4404];
const HIDING = [4403, 4404];
let socket = null, ready = false, attempts = 0, reconnecting = 0, beating = 0, heard = 0, gone = false, context = {};

const page = () => ({ url: location.origin + location.pathname, title: document.title.slice(0, 200), ...context });
const isNeeded = () => state.open || pending().length > 0;
const send = frame => {
  if (!ready || socket.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(frame));
  return true;
};
const connect = () => {
  if (socket || gone) return;
  clearTimeout(reconnecting);
  const mine = socket = new WebSocket(server.replace(/^http/, 'ws') + '/ws', 'kladez.v1');
  mine.onopen = () => {
    heard = Date.now();
    const running = pending().filter(message => message.number);
    mine.send(JSON.stringify({ t: 'hello', v: 1, shop: options.shopId, sid: state.sid, token: state.token, lang: language, page: page(), have: Object.fromEntries(running.map(message => [message.id, message.number])) }));
  };
  mine.onmessage = event => { heard = Date.now(); receive(JSON.parse(event.data)); };
  mine.onclose = event => { if (mine === socket) lost(event.code); };
};
const drop = () => {
  const old = socket;
  lost(0);
  if (old) old.close(1000);
};
const lost = code => {
  socket = null;
  ready = false;
  clearInterval(beating);
  if (FATAL.includes(code)) return giveUp(code);
  if (!isNeeded() || gone) return;
  const cap = Math.min(30000, 500 * 2 ** attempts++);
  if (attempts > 1 || !navigator.onLine) status.textContent = label.offline;
  clearTimeout(reconnecting);
  reconnecting = setTimeout(connect, (code === 4429 ? 10000 : 0) + cap / 2 + Math.random() * cap / 2);
};
const giveUp = code => {
  gone = true;
  host.hidden = HIDING.includes(code);
  pending().forEach(fail);
  save();
};
// Scripts cannot see the server's ping frames, so both sides also talk.
const beat = milliseconds => {
  clearInterval(beating);
  beating = setInterval(() => { if (Date.now() - heard > 2.5 * milliseconds) drop(); else send({ t: 'ping' }); }, milliseconds);
};
const comeBack = () => {
  attempts = 0;
  if (!isNeeded()) return;
  if (socket && Date.now() - heard > 60000) drop();
  connect();
};

/* ---------- public surface ---------- */

const emit = (type, detail) => host.dispatchEvent(new CustomEvent(type, { detail }));
const show = focus => {
  Object.assign(state, { open: true, unread: 0 });
  panel.hidden = false;
  panel.setAttribute('aria-modal', phone.matches);
  paintControls();
  save();
  log.scrollTop = log.scrollHeight;
  if (focus) (phone.matches ? panel : input).focus({ preventScroll: true });
  connect();
};
const api = window.Kladez = {
  open() {
    if (state.open) return;
    show(true);
    emit('open', {});
  },
  close() {
    if (!state.open) return;
    state.open = false;
    panel.hidden = true;
    paintControls();
    save();
    launcher.focus({ preventScroll: true });
    emit('close', {});
  },
  toggle() { if (state.open) api.close(); else api.open(); },
  ask(question) { api.open(); ask(question); },
  stop() {
    for (const message of pending()) {
      send({ t: 'cancel', id: message.id });
      finish(message, 'cancelled', {});
      paint(message);
    }
    save();
  },
  reset() {
    send({ t: 'end' });
    state = { ...freshState(), greeting: state.greeting, open: state.open };
    status.textContent = '';
    save();
    paintAll();
    attempts = 0;
    drop();
  },
  setContext(values) { context = { ...context, ...values }; },
  on(type, listener) {
    const heard = event => listener(event.detail);
    host.addEventListener(type, heard);
    return () => host.removeEventListener(type, heard);
  },
  destroy() {
    gone = true;
    clearTimeout(reconnecting);
    drop();
    observer.disconnect();
    host.remove();
    delete window.Kladez;
  },
};

/* ---------- the page around us ---------- */

// Another tab went on: take what it has further than we, or its new conversation.
const follow = event => {
  const theirs = event.key === STORAGE_KEY && !gone && stored();
  if (!theirs) return;
  const merged = new Map(theirs.messages.map(message => [message.id, message]));
  for (const message of theirs.conversation === state.conversation ? state.messages : []) {
    const other = merged.get(message.id);
    if (!other || isPending(other)) merged.set(message.id, message);
  }
  Object.assign(state, { conversation: theirs.conversation, sid: theirs.sid, token: theirs.token, messages: [...merged.values()] });
  paintAll();
};
const mount = () => {
  document.body.append(host);
  state.open = state.open && !phone.matches;
  paintAll();
  if (state.open) show(false);
  else if (isNeeded()) connect();
  observer.observe(document.documentElement, { childList: true });
};
// Single-page applications replace the body, and with it our element.
const observer = new MutationObserver(() => { if (!host.isConnected && !gone && document.body) document.body.append(host); });
addEventListener('storage', follow);
addEventListener('online', comeBack);
addEventListener('pageshow', event => { if (event.persisted) comeBack(); });
document.addEventListener('visibilitychange', () => { if (!document.hidden) comeBack(); });
if (document.body) mount();
else document.addEventListener('DOMContentLoaded', mount);
})();
