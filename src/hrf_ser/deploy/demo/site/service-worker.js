// Keeps page, runtime and model, so that the page opens when the server is gone.
// What lies under BASE never changes, so a kept copy is as good as the server's. The page itself is fetched from the server first: a
// server that was started with another model is seen at once, and another program at this port is not in the way.
const BASE = "$base";
const FILES = $files;
const PREFIX = "hrf_ser-demo ";

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(PREFIX + BASE).then((cache) => cache.addAll(FILES)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => names.filter((name) => name.startsWith(PREFIX) && name !== PREFIX + BASE))
      .then((old) => Promise.all(old.map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (event.request.mode === "navigate" && url.pathname === "/") {
    event.respondWith(fetch(event.request).catch(() => kept("/")));
  } else if (url.pathname.startsWith(BASE + "/")) {
    event.respondWith(kept(url.pathname).then((cached) => cached ?? fetch(event.request)));
  }
});

function kept(path) {
  return caches.open(PREFIX + BASE).then((cache) => cache.match(path));
}
