// What shows the figures. Whatever has a name of an operator or a guest becomes a text node, never HTML.

const WINDOW = 10, KEPT = 301, SPARK = 61, MAX_ROWS = 500, MAX_FAILURES = 3, AWAY_AFTER = 5000;
const SVG = 'http://www.w3.org/2000/svg';
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const at = (id) => document.getElementById(id);

/** An element with attributes, and children that are elements or text. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  element.append(...children);
  return element;
}

function draw(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  return element;
}

/** The time of day. */
const clock = (time) => time.toLocaleTimeString([], { hourCycle: 'h23' });

/** Changes a text only if it is another one, so that nothing is told or selected anew without need. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const state = {
  stats: null, samples: [], figures: null, points: [], sparks: new Map(), rows: new Map(), details: null, seen: {},
  sort: { column: 'rate', down: true }, paused: false, lastEvent: 0, away: false, ticks: 0,
};

// The columns of the table, with the width from which each is shown.
const COLUMNS = [
  { key: 'name', title: 'Route', down: false, value: (route) => route.name },
  { key: 'spark', title: 'Last minute', size: 'medium' },
  { key: 'rate', title: 'Req/s', value: (route) => route.figures?.rate, show: count },
  { key: 'errors', title: 'Errors/s', value: (route) => route.figures?.errorRate, show: count },
  { key: 'p50', title: 'p50', size: 'medium', value: (route) => route.figures?.p50, show: duration },
  { key: 'p99', title: 'p99', value: (route) => route.figures?.p99, show: duration },
  { key: 'running', title: 'In flight', size: 'medium', value: (route) => route.now?.invocations, show: count },
  { key: 'parked', title: 'Parked', size: 'wide', value: (route) => route.now?.parked, show: count },
  { key: 'memory', title: 'Memory', size: 'wide', value: (route) => route.now?.memory, show: bytes },
  { key: 'sent', title: 'Sent/s', size: 'wide', value: (route) => route.figures && route.figures.sent / state.figures.seconds, show: bytes },
  { key: 'total', title: 'Requests', size: 'wide', value: (route) => route.counters.requests, show: count },
];

function buildColumns() {
  for (const column of COLUMNS) {
    const cell = make('th', { scope: 'col', class: column.size ? `c-${column.size}` : '' });
    if (column.value) {
      const button = make('button', { type: 'button', 'data-sort': column.key }, column.title);
      button.addEventListener('click', () => {
        const down = state.sort.column === column.key ? !state.sort.down : column.down !== false;
        state.sort = { column: column.key, down };
        showSort();
        renderRoutes(true);
      });
      cell.append(button);
    } else {
      cell.append(column.title);
    }
    column.cell = cell;
    at('columns').append(cell);
  }
  showSort();
}

function showSort() {
  for (const column of COLUMNS) {
    if (column.key === state.sort.column) column.cell.setAttribute('aria-sort', state.sort.down ? 'descending' : 'ascending');
    else column.cell.removeAttribute('aria-sort');
  }
}

// Tiles: what an operator asks first.
const TILES = [
  ['Requests', (f) => [count(f?.all.rate), '/s', `${count(state.stats.requests)} since the start`]],
  ['Errors', (f) => {
    const share = f && f.all.requests > 0 ? `${(100 * f.all.errors / f.all.requests).toFixed(1)} % of requests` : 'no requests';
    return [count(f?.all.errorRate), '/s', f ? share : '', f?.all.errors > 0];
  }],
  ['Latency p99', (f) => [...split(duration(f?.all.p99)), f ? `p90 ${duration(f.all.p90)}, p50 ${duration(f.all.p50)}` : '']],
  ['In flight', () => [count(state.stats.invocations), '', `${count(state.stats.connections.open)} connections`]],
  ['Memory', () => [...split(bytes(state.stats.memory.used)), `of ${bytes(state.stats.memory.limit)}; process ${bytes(state.stats.process.resident_bytes)}`]],
  ['Processor', (f) => [f ? String(Math.round(f.cpu * 100)) : '–', '%', `of ${state.stats.workers * 100} %: ${state.stats.workers} workers`]],
  ['Parked', () => [count(state.stats.parked), '', `${count(state.stats.pushed.dropped)} chunks dropped`]],
  ['Held back by rates', (f) => {
    const told = state.stats.routes.some((route) => route.rate_waits);
    const seconds = f && (told ? f.all.waited : f.all.stages.paced || 0) / f.seconds;
    return [f ? count(seconds) : '–', 's/s', told ? 'waits for a rate' : 'with waits for clients'];
  }],
];

/** A figure and its unit. */
function split(text) {
  const space = text.lastIndexOf(' ');
  return space < 0 ? [text, ''] : [text.slice(0, space), text.slice(space + 1)];
}

function buildTiles() {
  for (const tile of TILES) {
    const value = make('span'), unit = make('span', { class: 'unit' }), more = make('dd', { class: 'more' });
    const figure = make('dd', { class: 'value' }, value, unit);
    tile.parts = { value, unit, more, figure };
    at('tiles').append(make('div', {}, make('dt', {}, tile[0]), figure, more));
  }
}

function renderTiles() {
  for (const tile of TILES) {
    const [value, unit, more, isBad] = tile[1](state.figures);
    write(tile.parts.value, value);
    write(tile.parts.unit, value === '–' ? '' : unit);
    write(tile.parts.more, more);
    tile.parts.figure.classList.toggle('bad', Boolean(isBad));
  }
}

// Plots.

/** A round number that is not below `value`, for the top of a plot. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((it) => it >= value * 0.999);
}

/** The path of values over the last `length` seconds. Null is a gap. */
function path(values, length, left, width, top, height, max) {
  let text = '', open = false;
  const offset = length - values.length;
  values.forEach((value, index) => {
    if (value === null) { open = false; return; }
    const x = left + width * (index + offset) / (length - 1), y = top + height * (1 - Math.min(1, value / max));
    const point = `${x.toFixed(1)} ${y.toFixed(1)}`;
    const isAlone = !open && (index + 1 === values.length || values[index + 1] === null);
    // A value without neighbours is a short line.
    text += isAlone ? `M${(x - 1.5).toFixed(1)} ${y.toFixed(1)}h3` : `${open ? 'L' : 'M'}${point}`;
    open = !isAlone;
  });
  return text;
}

function plot(svg, legend, series, show, least) {
  const width = svg.clientWidth || 300, height = svg.clientHeight || 160, left = 56, top = 8, low = 20;
  const inner = [left, width - left - 4, top, height - top - low];
  const values = series.flatMap((it) => it.values).filter((value) => value !== null);
  const max = ceiling(Math.max(least, ...values));
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const parts = [];
  const text = (x, y, anchor, content) => {
    const element = draw('text', { x, y, 'text-anchor': anchor });
    element.textContent = content;
    parts.push(element);
  };
  for (const part of [0, 0.5, 1]) {
    const y = Math.round(inner[2] + inner[3] * (1 - part)) + 0.5;
    parts.push(draw('line', { class: 'grid', x1: left, x2: width - 4, y1: y, y2: y }));
    text(left - 6, y + 4, 'end', part === 0 ? '0' : show(max * part));
  }
  text(left, height - 4, 'start', '5 min ago');
  text(width - 4, height - 4, 'end', 'now');
  for (const it of series) parts.push(draw('path', { class: it.look, d: path(it.values, KEPT - 1, ...inner, max) }));
  svg.replaceChildren(...parts);
  const last = (it) => show(it.values.length > 0 ? it.values[it.values.length - 1] : null);
  svg.setAttribute('aria-label', series.map((it) => `${it.name} ${last(it)}`).join(', '));
  legend.replaceChildren(...series.map((it) => make('span', { class: it.look }, it.name)));
}

function renderPlots() {
  const values = (key) => state.points.map((point) => point[key]);
  plot(at('requests-plot'), at('requests-legend'), [
    { name: 'requests', look: 'c0', values: values('rate') },
    { name: 'errors', look: 'c1 dash', values: values('errorRate') },
  ], count, 1);
  plot(at('latency-plot'), at('latency-legend'), [
    { name: 'p50', look: 'c0 dash', values: values('p50') },
    { name: 'p99', look: 'c2', values: values('p99') },
  ], duration, 0.0001);
}

// Routes.

function currentRoutes() {
  const quarantined = new Set(state.stats.quarantined || []);
  const last = state.samples[state.samples.length - 1];
  return state.stats.routes.map((route) => ({
    name: route.route, stats: route, now: route.mounted, counters: last.routes.get(route.route),
    figures: state.figures?.routes.get(route.route), isQuarantined: quarantined.has(route.route),
  }));
}

/** What a person reads for a name: `-` is what no route answered. */
const label = (name) => (name === '-' ? '- (no route)' : name);

function sorted(routes) {
  const column = COLUMNS.find((it) => it.key === state.sort.column), sign = state.sort.down ? -1 : 1;
  const order = (one, other) => {
    const [a, b] = [column.value(one), column.value(other)];
    // What has no figure is last either way.
    if (a === b || (a ?? null) === (b ?? null)) return 0;
    if (a === null || a === undefined) return 1;
    if (b === null || b === undefined) return -1;
    return sign * (a < b ? -1 : 1);
  };
  return routes.sort((one, other) => order(one, other) || (one.name < other.name ? -1 : 1));
}

function newRow(name) {
  const id = `details-${state.rows.size}-${Date.now()}`;
  const button = make('button', { type: 'button', class: 'route', 'aria-expanded': 'false', 'aria-controls': id }, make('span', {}, label(name)));
  const tag = make('span', { class: 'tag', hidden: '' });
  const row = make('tr', {}, make('th', { scope: 'row' }, button, tag));
  const cells = COLUMNS.slice(1).map((column) => make('td', { class: column.size ? `c-${column.size}` : '' }));
  row.append(...cells);
  const facts = make('td', { colspan: COLUMNS.length });
  const details = make('tr', { class: 'details', id, hidden: '' }, facts);
  button.addEventListener('click', () => {
    details.hidden = !details.hidden;
    button.setAttribute('aria-expanded', String(!details.hidden));
    if (!details.hidden) { loadDetails(); renderDetails(name); }
  });
  return { name, row, cells, details, facts, button, tag };
}

function renderRoutes(sortAnew) {
  if (!state.stats) return;
  const body = at('routes').tBodies[0], wanted = at('filter').value.trim().toLowerCase();
  const all = currentRoutes();
  const routes = sorted(all.filter((route) => route.name.toLowerCase().includes(wanted)));
  const shown = routes.slice(0, MAX_ROWS);
  const names = new Set(shown.map((route) => route.name));
  for (const [name, row] of state.rows) {
    if (!names.has(name)) { row.row.remove(); row.details.remove(); state.rows.delete(name); }
  }
  // Nothing moves under the pointer or the focus.
  const isUsed = body.matches(':hover, :focus-within');
  let place = null;
  for (const route of shown) {
    let row = state.rows.get(route.name);
    const isNew = !row;
    if (isNew) { row = newRow(route.name); state.rows.set(route.name, row); }
    if (isNew || sortAnew || !isUsed) {
      const next = place ? place.nextSibling : body.firstChild;
      if (next !== row.row) { body.insertBefore(row.row, next); body.insertBefore(row.details, row.row.nextSibling); }
    }
    place = row.details;
    fillRow(row, route);
  }
  const mounted = all.filter((route) => route.now).length;
  write(at('routes-count'), `${mounted} mounted`);
  at('more').hidden = routes.length === shown.length;
  write(at('more'), `${routes.length - shown.length} more routes are not shown; the filter finds them.`);
}

function fillRow(row, route) {
  const tag = route.isQuarantined ? 'quarantined' : route.now || route.name === '-' ? '' : 'removed';
  write(row.tag, tag);
  row.tag.hidden = tag === '';
  COLUMNS.slice(1).forEach((column, index) => {
    const cell = row.cells[index];
    if (column.key === 'spark') {
      if (cell.clientWidth > 0 && !isStill()) spark(cell, state.sparks.get(route.name) || []);
      return;
    }
    write(cell, column.show(column.value(route)));
    if (column.key === 'errors') cell.classList.toggle('bad', route.figures?.errors > 0);
  });
  if (!row.details.hidden) renderDetails(row.name);
}

function spark(cell, values) {
  let svg = cell.firstChild;
  if (!svg) { svg = draw('svg', { 'aria-hidden': 'true', preserveAspectRatio: 'none', viewBox: '0 0 120 22' }); svg.append(draw('path', { class: 'c0' })); cell.append(svg); }
  svg.firstChild.setAttribute('d', path(values, SPARK - 1, 0, 120, 2, 18, Math.max(1, ...values)));
}

/** Asks how routes are set up, if that may have changed. */
async function loadDetails() {
  const version = state.stats.route_changes ?? state.stats.time;
  if (state.seen.routes === version || state.seen.isLoading) return;
  state.seen.isLoading = true;
  try {
    const routes = (await (await fetch('/routes.json')).json()).routes;
    state.details = Map.groupBy ? Map.groupBy(routes, (route) => route.name) : routes.reduce((map, it) => map.set(it.name, [...(map.get(it.name) || []), it]), new Map());
    state.seen.routes = version;
    for (const row of state.rows.values()) if (!row.details.hidden) renderDetails(row.name);
  } catch { /* The next event tries again. */ } finally { state.seen.isLoading = false; }
}

function list(title, items) {
  const lines = items.map((item) => (Array.isArray(item)
    ? make('li', { class: 'pair' }, make('span', {}, item[0]), make('span', {}, item[1])) : make('li', {}, item)));
  return make('div', {}, make('h3', {}, title), make('ul', {}, ...lines));
}

function renderDetails(name) {
  const row = state.rows.get(name), route = currentRoutes().find((it) => it.name === name);
  if (!row || !route) return;
  const parts = [];
  const happened = route.figures?.requests > 0 ? route.figures : route.counters;
  const since = happened === route.counters ? 'since the start' : 'over 10 s';
  if (happened.requests > 0) {
    const stages = Object.entries(happened.stages).map(([stage, seconds]) => [stage, duration(seconds / happened.requests)]);
    parts.push(list(`Cost of a request by stage, ${since}`, stages.concat([['memory of an instance', bytes(route.stats.instance_memory)]])));
    parts.push(list('Requests since the start', route.stats.requests.map(([method, code, number]) => [`${method} ${code}`, count(number)])));
    const ends = Object.entries(route.stats.ends).filter(([, number]) => number > 0);
    parts.push(list('How they ended', ends.map(([end, number]) => [end, count(number)])));
  }
  for (const it of state.details?.get(name) || []) {
    if (it.quarantine) parts.push(list('Quarantine', [it.quarantine]));
    const methods = it.methods.length > 0 ? it.methods.join(', ') : 'any method';
    const place = it.patterns.map((pattern) => (it.site ? it.site + pattern : pattern));
    const timer = it.timer ? [`timer every ${it.timer.every} s at ${it.timer.target}`] : [];
    parts.push(list('Where it is', [...place, methods, it.file, `world ${it.world}`, ...timer]));
    const chain = it.middleware.map((link) => link.name + (link.partial ? ' (some paths)' : '') + (link.quarantine ? `: ${link.quarantine}` : ''));
    if (chain.length > 0) parts.push(list('Middleware, outermost first', chain));
    const grants = Object.entries(it.grants).map(([kind, names]) => `${kind}: ${names.join(', ')}`);
    if (grants.length > 0) parts.push(list('Grants', grants));
    const options = Object.entries(it.options).map(([key, { value, source }]) => [key, `${Array.isArray(value) ? value.join(', ') : value}${source === 'default' ? '' : ` (${source})`}`]);
    parts.push(list('Options', options));
  }
  const facts = make('div', { class: 'facts' }, ...parts);
  // Not replaced while a person selects a text of it.
  if (row.facts.textContent !== facts.textContent && !(getSelection().type === 'Range' && row.facts.contains(getSelection().anchorNode))) row.facts.replaceChildren(facts);
}

// Failures.

async function loadFailures() {
  const number = state.stats.logged_failures;
  if (state.seen.failures === number || state.seen.isLoadingFailures) return;
  state.seen.isLoadingFailures = true;
  try {
    renderFailures((await (await fetch('/failures.json')).json()).failures);
    state.seen.failures = number;
  } catch { /* The next event tries again. */ } finally { state.seen.isLoadingFailures = false; }
}

function renderFailures(failures) {
  const container = at('failures');
  const known = new Map([...container.children].map((item) => [item.dataset.key, item]));
  const items = failures.map((failure) => {
    const key = `${state.stats.started}-${failure.number}`;
    if (known.has(key)) return known.get(key);
    const time = new Date(failure.time * 1000);
    const [first] = failure.text.split('\n');
    const what = make('summary', {}, make('time', { datetime: time.toISOString() }, clock(time)),
      make('b', {}, failure.route), `request ${failure.request}: ${first}`);
    return make('li', { 'data-key': key }, make('details', {}, what, make('pre', { tabindex: '0' }, failure.text)));
  });
  for (const [key, item] of known) if (!items.some((it) => it.dataset.key === key)) item.remove();
  items.forEach((item, index) => { if (container.children[index] !== item) container.insertBefore(item, container.children[index] || null); });
  at('no-failures').hidden = items.length > 0;
  showFailures();
}

/** Shows the first few failures, or all if that was asked for. */
function showFailures() {
  const items = [...at('failures').children], button = at('all-failures');
  const isOpen = button.getAttribute('aria-expanded') === 'true';
  items.forEach((item, index) => { item.hidden = !isOpen && index >= MAX_FAILURES; });
  button.hidden = items.length <= MAX_FAILURES;
  write(button, isOpen ? 'Show fewer' : `Show all ${items.length}`);
}

// The state of the host.

function renderState() {
  const stats = state.stats;
  let told = ['good', 'Serving'];
  if (state.away) told = ['bad', 'The host is away'];
  else if (!stats) told = ['unknown', 'Connecting…'];
  else if (!stats.alive) told = ['bad', 'A worker takes no turn'];
  else if (stats.draining) told = ['warn', 'Stopping'];
  else if (!stats.ready) told = ['warn', 'Loading routes'];
  at('state').dataset.state = told[0];
  write(at('state'), told[1]);
  document.body.classList.toggle('away', state.away);
  if (!stats) return;
  const time = clock(new Date(stats.time * 1000));
  write(at('since'), state.away ? `figures of ${time}; it is tried again each second` : `up ${age(stats.time - stats.started)}`);
  write(at('version'), stats.version);
  const notes = [];
  const many = (number, one, more) => `${number} ${number === 1 ? one : more}`;
  if (stats.quarantined?.length > 0) notes.push(`In quarantine: ${stats.quarantined.join(', ')}.`);
  if (stats.problems.error > 0) notes.push(`${many(stats.problems.error, 'file has', 'files have')} errors, and what is wrong with them is in the log.`);
  if (stats.engine && !stats.engine.up) notes.push('The engine is away: what is published reaches the clients of this host alone.');
  if (stats.loading > 0) notes.push(`${many(stats.loading, 'component is', 'components are')} being loaded.`);
  write(at('notes'), notes.join(' '));
  at('notes').hidden = notes.length === 0;
  const errors = state.figures?.all.errors > 0 ? '! ' : '';
  const title = state.away ? '✗ away – Vibrato' : `${errors}${count(state.figures?.all.rate)} req/s – Vibrato`;
  if (document.title !== title) document.title = title;
}

/** Whether plots stay as they are now: with reduced motion they change every ten seconds. */
function isStill() {
  return calm.matches && state.ticks % 10 !== 1;
}

function render() {
  renderState();
  if (state.paused || !state.stats) return;
  renderTiles();
  if (!isStill()) renderPlots();
  renderRoutes(false);
  loadFailures();
  if ([...state.rows.values()].some((row) => !row.details.hidden)) loadDetails();
}

/** Takes the figures of one moment. */
function take(stats) {
  const sample = sampleOf(stats), before = state.samples[state.samples.length - 1];
  if (before && before.started !== sample.started) {
    Object.assign(state, { samples: [], points: [], seen: {}, details: null });
    state.sparks.clear();
  } else if (before && sample.time <= before.time) {
    return;
  }
  state.stats = stats;
  state.samples.push(sample);
  while (state.samples.length > 2 && state.samples[1].time <= sample.time - WINDOW) state.samples.shift();
  state.figures = figuresBetween(state.samples[0], sample);
  const last = state.samples.length > 1 ? figuresBetween(state.samples[state.samples.length - 2], sample) : null;
  if (!last) return;
  // A point for each second, those included in which nothing came.
  for (let missed = 1; missed < Math.min(last.seconds - 0.5, KEPT); missed++) addPoint(null);
  addPoint(last);
}

function addPoint(figures) {
  const all = figures?.all;
  state.points.push({ rate: all?.rate ?? null, errorRate: all?.errorRate ?? null, p50: all?.p50 ?? null, p99: all?.p99 ?? null });
  if (state.points.length >= KEPT) state.points.shift();
  for (const name of state.sparks.keys()) if (figures && !figures.routes.has(name)) state.sparks.delete(name);
  for (const [name, route] of figures?.routes || []) {
    const values = state.sparks.get(name) || [];
    values.push(route.rate);
    if (values.length >= SPARK) values.shift();
    state.sparks.set(name, values);
  }
}

/** Listens for figures. If the host is away, it is tried again each second. */
function connect() {
  const events = new EventSource('/stats/events');
  state.lastEvent = Date.now();
  const leave = () => {
    clearInterval(watch);
    events.close();
    state.away = true;
    render();
    setTimeout(connect, 1000);
  };
  // A host that is stopped or unreachable closes nothing.
  const watch = setInterval(() => { if (Date.now() - state.lastEvent > AWAY_AFTER && !document.hidden) leave(); }, 1000);
  events.addEventListener('error', leave);
  events.addEventListener('stats', (event) => {
    state.lastEvent = Date.now();
    state.away = false;
    state.ticks += 1;
    take(JSON.parse(event.data));
    render();
  });
}

at('filter').addEventListener('input', () => renderRoutes(true));
at('all-failures').addEventListener('click', (event) => {
  const button = event.currentTarget;
  button.setAttribute('aria-expanded', String(button.getAttribute('aria-expanded') !== 'true'));
  showFailures();
});
at('pause').addEventListener('click', () => {
  state.paused = !state.paused;
  at('pause').setAttribute('aria-pressed', String(state.paused));
  write(at('pause'), state.paused ? 'Go on' : 'Pause');
  render();
});
addEventListener('resize', () => { if (state.stats && !state.paused) renderPlots(); });
buildColumns();
buildTiles();
connect();
