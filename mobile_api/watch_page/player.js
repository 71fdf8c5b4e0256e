"use strict";
// The page on which footage is watched. As it is by its own bytes, else by a view copy over Media Source Extensions,
// which is asked for by time. Tells the server which stretches ran before the reviewer's eyes.
const $ = (id) => document.getElementById(id);
const { review, recording, csrf, badge, now, purpose, number } = $("watch").dataset;
const film = $("film"), still = $("still");
const AHEAD = 30, BEHIND = 30; // seconds kept in the buffer
const TELL_EVERY = 15000, BEIJING = 8 * 3600e3;
const begun = performance.now();
const Media = globalThis.MediaSource || globalThis.ManagedMediaSource; // phones of Apple have the second alone
let how = null; // what the server says of how it is watched
let notes = JSON.parse($("watch").dataset.notes);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const two = (value) => String(value).padStart(2, "0");

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

function beijing(ms) {
  return new Date(ms + BEIJING).toISOString().slice(0, 19).replace("T", " ");
}

function element(name, text, parts = {}) {
  const made = Object.assign(document.createElement(name), parts);
  if (text) made.textContent = text;
  return made;
}

// -- what is said over the picture

function tell(zh, en, ...more) {
  $("told").replaceChildren(element("p", zh), element("small", en), ...more);
  $("told").hidden = false;
}

function silent() {
  if (how?.kind === "audio") tellSound();
  else $("told").hidden = true;
}

// A black picture would look like a film that does not play.
function tellSound() {
  tell("录音，没有画面。", "Sound only: there is no picture.");
}

// Nothing here plays: no button shall seem to.
function tellUnplayable(zh, en) {
  $("controls").hidden = $("copy").hidden = true;
  tell(zh, en, exportLink());
}

// What is wrong with an answer, in Chinese and English; null: no server answered.
async function wordsOf(answer) {
  if (!answer) return ["没有连上服务器，请稍后再试。", "The server does not answer: try again."];
  if (answer.status === 401) {
    return ["登录已过期，请重新登录后刷新本页。", "Your session has ended: sign in again, then reload this page."];
  }
  const problem = await answer.clone().json().catch(() => ({}));
  return [problem.detail || `出错 ${answer.status}`, problem.code || ""];
}

async function tellProblem(answer) {
  const problem = await answer.clone().json().catch(() => ({}));
  if (problem.code === "no_view_copy") return tellCodec();
  tell(...await wordsOf(answer));
}

// Beside the note or the neighbours, so that the film goes on.
async function sayProblem(answer) {
  $("said").replaceChildren((await wordsOf(answer)).join(" "));
  $("said").hidden = false;
}

function exportLink() {
  return element("a", "导出原件（数据包） Export the original (package)", {
    href: `/v1/recordings/${recording}/package?review=${review}`, download: `${recording}.zip`,
  });
}

function tellCodec() {
  if (!how.codec && !how.sound && how.kind !== "photo") return tellNoFilm();
  const codec = [how.codec, how.sound].filter(Boolean).join(" + ") || "?";
  tellUnplayable(`浏览器不能播放此文件：编码 ${codec}，容器 ${how.container || "?"}。请导出原件，用厂商播放器查看。`,
    `No browser plays this file: codec ${codec}, container ${how.container || "?"}. Export the original and use its maker's player.`);
}

// A document, bytes that nobody knows, or a film without its index: there is no codec to name.
function tellNoFilm() {
  tellUnplayable("本页无法播放此文件：不是视音频，或录制中断、没有索引。请导出原件查看；修复只在副本上进行。",
    "This file cannot be played here: it is no film or sound, or a film whose index was never written. "
    + "Export the original; repair a copy only.");
}

function tellNoMedia() {
  tellUnplayable("此浏览器不能播放观看副本，请换用较新的浏览器或电脑，或导出原件。",
    "This browser plays no view copy: use a newer one, or a computer, or export the original.");
}

function tellProgress(percent) {
  tell(`正在转成观看副本（${how.codec || how.sound}）：${percent}%`, "A view copy is being made; it plays when it is ready.",
    element("progress", "", { max: 100, value: percent }));
}

// -- asking the server

const ask = (path, options = {}) => fetch(path, { credentials: "same-origin", ...options });

function post(verb, fields, more = {}) {
  const at = new Date().toISOString();
  const body = { id: crypto.randomUUID(), occurred_at: at, sent_at: at, device_seq: Date.now(), ...fields };
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  return ask(`/v1/${verb}`, { method: "POST", headers, body: JSON.stringify(body), ...more });
}

// -- the view copy: one request from a time on; another after a jump

const copy = { source: null, buffer: null, asked: null, done: false, turn: 0 };

async function openCopy() {
  if (!Media) return tellNoMedia();
  film.disableRemotePlayback = true; // phones of Apple ask for it before they take a source of this kind
  copy.source = new Media();
  film.src = URL.createObjectURL(copy.source);
  $("copy").hidden = false;
  await new Promise((done) => copy.source.addEventListener("sourceopen", done, { once: true }));
  if (how.duration_ms) copy.source.duration = how.duration_ms / 1000;
  film.addEventListener("seeking", () => { if (!isHeld(film.currentTime)) fetchFrom(film.currentTime); });
  setInterval(watchBuffer, 250);
  await fetchFrom(startAt());
}

async function fetchFrom(seconds) {
  const turn = ++copy.turn;
  copy.asked?.abort();
  copy.asked = new AbortController();
  copy.done = copy.cut = false;
  try {
    const answer = await viewFrom(seconds, turn, copy.asked.signal);
    if (!answer || turn !== copy.turn) return;
    if (!(await prepare(answer.headers.get("content-type"), turn))) return;
    await pump(answer.body.getReader(), turn);
  } catch (error) {
    if (turn === copy.turn && error.name !== "AbortError") copy.cut = true;
  }
}

async function viewFrom(seconds, turn, signal) {
  while (turn === copy.turn) {
    const answer = await ask(`/v1/recordings/${recording}/view?review=${review}&from=${seconds.toFixed(3)}`, { signal });
    if (answer.ok) { silent(); return answer; }
    const problem = await answer.clone().json().catch(() => ({}));
    if (problem.code === "view_copy_not_ready") tellProgress(problem.percent);
    else if (problem.code !== "too_many_views") { await tellProblem(answer); return null; }
    await pause(1500);
  }
  return null;
}

async function prepare(type, turn) {
  if (!Media.isTypeSupported(type)) { tellCodec(); return false; }
  if (!copy.buffer) {
    copy.buffer = copy.source.addSourceBuffer(type);
  } else {
    await settled();
    if (turn !== copy.turn) return false;
    if (copy.source.readyState === "open") copy.buffer.abort();
    if (copy.buffer.buffered.length) { copy.buffer.remove(0, Infinity); await settled(); }
    copy.buffer.changeType(type);
  }
  copy.buffer.timestampOffset = -how.shift_ms / 1000;
  return turn === copy.turn;
}

async function pump(reader, turn) {
  for (;;) {
    while (turn === copy.turn && ahead() > AHEAD) await pause(200);
    const { value, done } = await reader.read();
    if (turn !== copy.turn) { reader.cancel(); return; }
    if (done) break;
    await append(value, turn);
  }
  await settled();
  const reached = heldEnd() >= (how.duration_ms || 0) / 1000 - 3;
  copy.done = reached;
  copy.cut = !reached;
  if (reached && turn === copy.turn && copy.source.readyState === "open") copy.source.endOfStream();
}

async function append(bytes, turn) {
  for (;;) {
    await settled();
    if (turn !== copy.turn) return;
    try {
      copy.buffer.appendBuffer(bytes);
      return await settled();
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
      if (film.currentTime > BEHIND) copy.buffer.remove(0, film.currentTime - BEHIND / 3);
      await pause(300);
    }
  }
}

function settled() {
  if (!copy.buffer?.updating) return Promise.resolve();
  return new Promise((done) => copy.buffer.addEventListener("updateend", done, { once: true }));
}

const ranges = () => Array.from(film.buffered, (_, n) => [film.buffered.start(n), film.buffered.end(n)]);
const ahead = () => ranges().reduce((sum, [a, b]) => sum + Math.max(0, b - Math.max(a, film.currentTime)), 0);
const heldEnd = () => Math.max(0, ...ranges().map(([, end]) => end));

function isHeld(at) {
  const held = ranges();
  return held.some(([a, b]) => a - 0.3 <= at && at <= b) || isInGap(at);
}

// Between two stretches that are here: nothing was filmed then.
function isInGap(at) {
  const held = ranges();
  return held.length > 1 && held[0][0] <= at && at <= held.at(-1)[1] && !held.some(([a, b]) => a <= at && at < b);
}

// Goes on over a gap of the film, and asks again where an answer broke off.
function watchBuffer() {
  const at = film.currentTime, next = ranges().find(([a]) => a > at);
  const here = ranges().find(([a, b]) => a <= at && at < b);
  const waits = next && film.readyState < 3 && (!here || here[1] - at < 0.3); // players stop within the last frame
  if (waits && (!film.seeking || next[0] - at < 3 || isInGap(at))) film.currentTime = next[0] + 0.01;
  if (copy.cut && !film.paused && ahead() < 5) { copy.cut = false; resume(); }
  if (copy.buffer && !copy.buffer.updating && at > 3 * BEHIND && ranges()[0]?.[0] < at - 2 * BEHIND
    && copy.source.readyState === "open") copy.buffer.remove(0, at - BEHIND);
}

// Appends from where the buffer ends, without emptying it.
async function resume() {
  const reached = heldEnd(), turn = ++copy.turn, from = Math.max(film.currentTime, reached - 0.5);
  copy.asked?.abort();
  copy.asked = new AbortController();
  try {
    const answer = await viewFrom(from, turn, copy.asked.signal);
    if (!answer || turn !== copy.turn) return;
    await settled();
    if (copy.source.readyState === "open") copy.buffer.abort();
    copy.buffer.timestampOffset = -how.shift_ms / 1000;
    await pump(answer.body.getReader(), turn);
    if (turn === copy.turn && copy.cut && heldEnd() - reached < 0.2) leapOver(reached);
  } catch (error) {
    if (turn === copy.turn && error.name !== "AbortError") { await pause(3000); copy.cut = true; }
  }
}

// Nothing more came: the file has a hole here. Goes on where something was filmed again, else ends.
function leapOver(reached) {
  copy.cut = false;
  const next = how.stretches.find(({ from_ms }) => from_ms / 1000 > Math.max(reached, film.currentTime + 0.5));
  if (next) film.currentTime = next.from_ms / 1000 + 0.05;
  else if (copy.source.readyState === "open") copy.source.endOfStream();
}

// -- the footage itself

function startAt() {
  const told = /^#t=([0-9.]+)$/.exec(location.hash);
  return told ? Math.min(Number(told[1]), Math.max(0, (how.duration_ms || 0) / 1000 - 1)) : 0;
}

function openOriginal() {
  let fallen = false;
  const fall = () => {
    if (fallen) return;
    fallen = true;
    film.removeAttribute("src");
    openCopy();
  };
  film.addEventListener("error", () => { if (film.error && film.error.code > 2 && !copy.source) fall(); });
  // Sound over a frozen picture would tell half of it.
  film.addEventListener("loadedmetadata", () => { if (!copy.source && how.codec && !film.videoWidth) fall(); });
  film.addEventListener("loadedmetadata", () => { if (!copy.source && startAt()) film.currentTime = startAt(); });
  film.src = `/v1/recordings/${recording}/content?review=${review}`;
}

// A photo; of one that browsers do not show, its still.
function openStill() {
  film.hidden = $("controls").hidden = true;
  still.hidden = false;
  still.addEventListener("error", tellCodec);
  $("copy").hidden = how.way === "as_is";
  still.src = `/v1/recordings/${recording}/${how.way === "as_is" ? "content" : "poster"}?review=${review}`;
}

async function open() {
  const answer = await ask(`/v1/reviews/${review}/viewing`).catch(() => null);
  if (!answer) return tell(...await wordsOf(null));
  if (!answer.ok) return tellProblem(answer);
  how = await answer.json();
  drawNear();
  $("note").hidden = false;
  if (how.kind === "photo") return openStill();
  if (how.way === "none") return tellCodec();
  $("controls").hidden = false;
  if (how.kind === "audio") $("back").hidden = $("on").hidden = $("full").hidden = true;
  if (how.kind === "audio") tellSound();
  drawStrip();
  if (how.way === "as_is") openOriginal();
  else await openCopy();
}

// -- what was watched

const watched = { stretches: [], told: [], from: null, to: null };

function follow() {
  const at = film.currentTime;
  if (film.seeking) return;
  if (watched.from !== null && (at < watched.to || at - watched.to > 2 * film.playbackRate)) stopFollowing();
  if (watched.from === null && !film.paused) watched.from = at;
  if (watched.from !== null) watched.to = at;
}

function stopFollowing() {
  if (watched.from !== null && watched.to > watched.from) {
    const stretch = { from_ms: Math.round(watched.from * 1000), to_ms: Math.round(watched.to * 1000) };
    if (stretch.to_ms > stretch.from_ms) watched.stretches.push(stretch);
  }
  watched.from = null;
}

async function tellWatched() {
  const running = watched.from !== null;
  stopFollowing();
  if (running && !film.paused) watched.from = watched.to;
  const stretches = watched.stretches.splice(0, 200);
  if (!stretches.length) return;
  watched.told.push(...stretches);
  drawStrip();
  const answer = await post("reviews/watched", { review, stretches }, { keepalive: true }).catch(() => null);
  if (!answer || answer.status >= 500) watched.stretches.unshift(...stretches);
}

// -- drawing

const length = () => (Number.isFinite(film.duration) && film.duration) || (how?.duration_ms || 0) / 1000;

function drawStrip() {
  const whole = length() * 1000;
  if (!whole) return;
  const part = (kind, from, to, title) => {
    const made = element("i", "", { className: kind, title });
    made.style.left = `${(100 * from) / whole}%`;
    if (to > from) made.style.width = `${(100 * (to - from)) / whole}%`;
    return made;
  };
  const gaps = how.stretches.slice(1).map(({ from_ms }, n) => part("gap", how.stretches[n].to_ms, from_ms,
    `未拍摄 Nothing filmed ${clock(how.stretches[n].to_ms / 1000)} – ${clock(from_ms / 1000)}`));
  $("strip").replaceChildren(
    ...how.stretches.map(({ from_ms, to_ms }) => part("filmed", from_ms, to_ms, "")), ...gaps,
    ...watched.told.map(({ from_ms, to_ms }) => part("watched", from_ms, to_ms, "")),
    ...notes.map(({ at_ms, words }) => part("note", at_ms, 0, words)));
}

function drawNotes() {
  notes.sort((one, other) => one.at_ms - other.at_ms);
  $("notes").replaceChildren(...notes.map(({ at_ms, words }) => {
    const go = element("button", clock(at_ms / 1000), { type: "button" });
    go.addEventListener("click", () => { film.currentTime = at_ms / 1000; });
    const line = element("li", "");
    line.append(go, element("bdi", words));
    return line;
  }));
}

const PLACES = { before: ["上一段", "File before"], after: ["下一段", "Next file"], same_moment: ["同一时刻", "Same moment"] };

function drawNear() {
  $("near").replaceChildren(...how.neighbours.map((near) => {
    const [zh, en] = PLACES[near.place];
    const made = near.review ? element("a", "", { href: `/v1/reviews/${near.review}/watch` })
      : element("button", "", { type: "button" });
    made.append(element("b", `${zh} ${near.name}（${near.badge}）`),
      element("small", `${en} · ${beijing(Date.parse(near.started_at))}${near.review ? "" : " · 申请调阅 Request to view"}`));
    made.addEventListener("click", (event) => { event.preventDefault(); goTo(near); });
    return made;
  }));
  $("near").hidden = !how.neighbours.length;
}

async function goTo(near) {
  await tellWatched();
  $("said").hidden = true;
  let id = near.review;
  if (!id) {
    const answer = await post("reviews/open", { recording: near.id, purpose, number }).catch(() => null);
    if (!answer?.ok) return sayProblem(answer);
    id = (await answer.json()).review.id;
  }
  const moment = (Date.parse(how.started_at) - Date.parse(near.started_at)) / 1000 + film.currentTime;
  location.href = `/v1/reviews/${id}/watch${near.place === "same_moment" && moment > 0 ? `#t=${moment.toFixed(1)}` : ""}`;
}

function drawTime() {
  const at = film.currentTime || 0;
  const real = how ? `\n${beijing(Date.parse(how.started_at) + at * 1000)}` : "";
  $("time").textContent = `${clock(at)} / ${clock(length())}${real}`;
  $("moment").textContent = clock(at);
  $("seek").max = length() || 1;
  if (!seeking) $("seek").value = at;
  $("play").textContent = film.paused ? "▶" : "❚❚";
}

function drawMarks() {
  const text = `${badge} ${beijing(Number(now) + performance.now() - begun)}`;
  for (const mark of $("marks").children) mark.textContent = text;
}

// -- the controls

let seeking = false;
const toggle = () => (film.paused ? film.play().catch(() => {}) : film.pause());

function step(by) {
  film.pause();
  const rate = how?.frame_rate || 25;
  film.currentTime = Math.max(0, (Math.floor(film.currentTime * rate) + by + 0.5) / rate);
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else $("player").requestFullscreen();
}

const KEYS = { " ": toggle, k: toggle, ",": () => step(-1), ".": () => step(1), f: fullScreen,
  ArrowLeft: () => { film.currentTime -= 5; }, ArrowRight: () => { film.currentTime += 5; } };

function connect() {
  $("play").addEventListener("click", toggle);
  film.addEventListener("click", toggle);
  $("back").addEventListener("click", () => step(-1));
  $("on").addEventListener("click", () => step(1));
  $("speed").addEventListener("change", () => { film.playbackRate = film.defaultPlaybackRate = Number($("speed").value); });
  $("sound").addEventListener("click", () => { film.muted = !film.muted; $("sound").setAttribute("aria-pressed", film.muted); });
  $("full").hidden = !document.fullscreenEnabled;
  $("full").addEventListener("click", fullScreen);
  $("seek").addEventListener("input", () => { seeking = true; $("time").textContent = clock(Number($("seek").value)); });
  $("seek").addEventListener("change", () => { seeking = false; film.currentTime = Number($("seek").value); });
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("textarea, select, button, a") || event.ctrlKey || event.metaKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  for (const moment of ["timeupdate", "seeking", "pause", "play", "loadedmetadata", "durationchange"]) {
    film.addEventListener(moment, drawTime);
  }
  film.addEventListener("durationchange", () => how && drawStrip());
  film.addEventListener("timeupdate", follow);
  film.addEventListener("seeking", stopFollowing);
  for (const moment of ["play", "playing", "seeked", "pause"]) film.addEventListener(moment, follow);
  for (const moment of ["pause", "ended"]) film.addEventListener(moment, tellWatched);
  document.addEventListener("visibilitychange", () => { if (document.hidden) tellWatched(); });
  addEventListener("pagehide", tellWatched);
  setInterval(tellWatched, TELL_EVERY);
  setInterval(drawMarks, 1000);
  $("note").addEventListener("submit", takeNote);
}

async function takeNote(event) {
  event.preventDefault();
  const note = { at_ms: Math.round((film.currentTime || 0) * 1000), words: $("words").value };
  $("said").hidden = true;
  const answer = await post("reviews/note", { review, ...note }).catch(() => null);
  if (!answer?.ok) return sayProblem(answer);
  $("words").value = "";
  notes.push(note);
  drawNotes();
  drawStrip();
}

connect();
drawMarks();
drawNotes();
drawTime();
open();
