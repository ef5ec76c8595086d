// Reloads the page when what it shows has changed, and shows why a build has failed. Only in development mode.
(() => {
  const script = document.currentScript;
  const { watch } = script.dataset;
  let { seen } = script.dataset;
  let shown = null;

  // A hidden page holds no connection, of which browsers have few.
  const visible = () => new Promise((resolve) => {
    if (!document.hidden) return resolve();
    document.addEventListener("visibilitychange", () => resolve(visible()), { once: true });
  });
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  function show(failure) {
    shown?.remove();
    shown = null;
    if (failure === null) return;
    shown = document.createElement("pre");
    shown.textContent = `The build has failed, and this is the version before it.\n\n${failure}`;
    Object.assign(shown.style, {
      position: "fixed", inset: "auto 0 0 0", maxHeight: "60vh", overflow: "auto", margin: 0, padding: "1rem",
      zIndex: 2147483647, font: "13px/1.4 monospace", whiteSpace: "pre-wrap",
      color: "#fff", background: "#311", borderTop: "3px solid #c33",
    });
    document.body.append(shown);
  }

  async function run() {
    // A page that shows each request is not to be reloaded more often than this.
    if (watch === "overview") await pause(1000);
    for (;;) {
      await visible();
      try {
        const response = await fetch(`/__dev/changes?watch=${watch}&seen=${encodeURIComponent(seen)}`, { cache: "no-store" });
        if (response.status === 404) return;
        const told = await response.json();
        if (told.reload) return location.reload();
        seen = told.seen;
        if (watch === "handler") show(told.failure);
      } catch {
        // The host is being started again, or is busy.
        await pause(1000);
      }
    }
  }

  run();
})();
