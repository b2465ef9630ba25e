// Keeps what a reader has seen, so that the next visit is quick and needs no network. It does
// nothing else. Files whose name or query carries a hash come from here first; pages come from the
// network, and from here only when that is away: their numbers are never old in silence.

import { CURRENT } from "llmcap-live"; // names under vendor/ that this build has

const SCOPE = self.registration.scope;
const CACHE = `llmcap ${SCOPE}`;
const VENDOR = `${SCOPE}vendor/`;

const isHashed = (url) =>
  CURRENT.some((name) => url.pathname === new URL(VENDOR + name).pathname)
  || (url.href.startsWith(`${SCOPE}_static/`) && /-([A-Z0-9]{8}|[0-9a-f]{8,})\./.test(url.pathname));

// A calculator's page is one file whatever its inputs are.
const asFile = (url) => (url.pathname.includes("/apps/") ? url.origin + url.pathname : url.href);

async function put(key, answer) {
  const kept = answer.ok && !/no-store/.test(answer.headers.get("Cache-Control") || "");
  if (kept) await (await caches.open(CACHE)).put(key, answer.clone());
  return answer;
}

async function keptFirst(request) {
  return (await caches.match(request)) || put(request, await fetch(request));
}

async function networkFirst(request) {
  const key = asFile(new URL(request.url));
  try {
    return await put(key, await fetch(request));
  } catch (problem) {
    const kept = await caches.match(key);
    if (kept) return kept;
    // A host leads from apps/vram to apps/vram/, and is away.
    const url = new URL(request.url);
    url.pathname += "/";
    if (await caches.match(asFile(url))) return Response.redirect(url.href);
    throw problem;
  }
}

self.addEventListener("install", () => self.skipWaiting());

// What an older build left goes; what this one still names stays.
self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    const old = (await cache.keys()).filter((one) => !isHashed(new URL(one.url)));
    await Promise.all(old.map((one) => cache.delete(one)));
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || !url.href.startsWith(SCOPE)) return;
  if (isHashed(url)) event.respondWith(keptFirst(request));
  else if (/\/(book\/|_static\/|apps\/[\w-]+)|\/search(index\.js|\.html)$/.test(url.pathname)) {
    event.respondWith(networkFirst(request));
  }
});

// What a page had loaded before this listened.
self.addEventListener("message", ({ data }) => {
  for (const address of data.seen || []) {
    const url = new URL(address);
    if (!url.href.startsWith(SCOPE) || url.pathname.includes("/voila/")) continue;
    caches.match(address).then((kept) => kept || fetch(address).then((a) => put(asFile(url), a)))
      .catch(() => {});
  }
});
