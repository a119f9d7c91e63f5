// The web board with JavaScript: pages follow what changes, and changes keep the place.
// Without it everything works by forms and reload.
"use strict";
(() => {
  const body = document.body;
  const offline = document.getElementById("offline");
  const said = document.getElementById("said");
  const LONGEST_WAIT = 10000;
  const SEARCH = ["search", "milestone"];

  // ---- what was typed -------------------------------------------------------------------

  const isTyped = (field) => {
    if (!field.name || field.type === "hidden" || field.type === "submit") return false;
    if (field.type === "checkbox") return field.checked !== field.defaultChecked;
    if (field.tagName === "SELECT") {
      const options = [...field.options];
      return field.selectedIndex !== Math.max(0, options.findIndex((one) => one.defaultSelected));
    }
    return field.value !== undefined && field.value !== field.defaultValue;
  };
  const isDirty = (root) =>
    [...root.querySelectorAll("form[method=post]")].some((form) =>
      [...form.elements].some(isTyped));

  function tell(text, isWrong) {
    said.className = isWrong ? "note wrong" : "note done";
    said.textContent = text;
    clearTimeout(tell.timer);
    tell.timer = setTimeout(() => said.replaceChildren(), 8000);
  }

  // ---- pieces of a page -----------------------------------------------------------------

  function elementOf(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.content.firstElementChild;
  }

  function noteMoved(element) {
    // What is being sent right now is the change itself; the page follows when it is answered.
    if (element.querySelector(":scope > .moved, form[aria-busy=true]")) return;
    const note = document.createElement("p");
    note.className = "note moved";
    note.append("This has changed since. What you typed is kept. ");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Show it as it is now";
    button.addEventListener("click", () => refresh(true));
    note.append(button);
    element.prepend(note);
  }

  function apply(change) {
    const made = new Map();
    let isStale = false;
    for (const [id, html] of Object.entries(change.parts)) {
      const there = document.getElementById(id);
      if (there && isDirty(there)) noteMoved(there);
      else {
        const element = elementOf(html);
        if (there) {
          keepOpen(there, element);
          const focused = there.contains(document.activeElement);
          there.replaceWith(element);
          if (id === "picture") prepareAll();
          if (focused) (element.querySelector("a, button") || element).focus();
        }
        else element.classList.add("fresh");
        made.set(id, element);
      }
    }
    for (const [id, names] of Object.entries(change.lists)) {
      const list = document.getElementById(id);
      if (!list) { isStale = isStale || names.length > 0; continue; }
      const wanted = new Set(names);
      for (const child of [...list.children])
        if (!wanted.has(child.id)) {
          if (isDirty(child)) { noteMoved(child); continue; }
          if (!made.has(child.id)) made.set(child.id, child);
          child.remove();
        }
      let before = list.firstElementChild;
      for (const name of names) {
        const child = made.get(name) || document.getElementById(name);
        if (!child) continue;
        if (child === before) before = before.nextElementSibling;
        else list.insertBefore(child, before);
      }
    }
    body.dataset.version = change.version;
    filter();
    title();
    if (isStale) refresh(false);
  }

  function keepOpen(before, after) {
    for (const open of before.querySelectorAll("details[open][id]")) {
      const same = after.querySelector(`#${CSS.escape(open.id)}`);
      if (same) same.open = true;
    }
    for (const shut of before.querySelectorAll("details[id]:not([open])")) {
      const same = after.querySelector(`#${CSS.escape(shut.id)}`);
      if (same) same.open = false;
    }
  }

  async function refresh(isWanted) {
    const main = document.getElementById("main");
    if (!isWanted && isDirty(main)) { noteMoved(main); return; }
    let response;
    try { response = await fetch(location.href); } catch { lost(); return; }
    if (response.status === 401) { location.reload(); return; }
    const found = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = found.getElementById("main");
    if (!fresh) return;
    keepOpen(main, fresh);
    const at = document.activeElement && document.activeElement.id;
    const sought = SEARCH.map((id) => document.getElementById(id)?.value);
    main.replaceWith(fresh);
    SEARCH.forEach((id, number) => {
      const field = document.getElementById(id);
      if (field && sought[number] !== undefined) field.value = sought[number];
    });
    const top = found.querySelector("header.top");
    if (top) document.querySelector("header.top").replaceWith(top);
    body.dataset.version = found.body.dataset.version;
    if (body.dataset.stream) body.dataset.stream = found.body.dataset.stream;
    document.title = found.title;
    if (at) document.getElementById(at)?.focus();
    prepare();
  }

  function title() {
    const count = document.querySelector("#nav .asks")?.textContent;
    document.title = document.title.replace(/^\(\d+\) /, "");
    if (count) document.title = `(${count}) ${document.title}`;
  }

  // ---- the stream -----------------------------------------------------------------------

  let source = null;
  let wait = 500;

  function lost() {
    offline.hidden = false;
  }

  function connect() {
    if (source || document.hidden || !body.dataset.stream) return;
    const url = new URL(body.dataset.stream, location.href);
    url.searchParams.set("since", body.dataset.version);
    source = new EventSource(url);
    source.addEventListener("open", () => { offline.hidden = true; wait = 500; });
    source.addEventListener("change", (event) => apply(JSON.parse(event.data)));
    source.addEventListener("whole", () => refresh(false));
    source.addEventListener("log", (event) => {
      document.getElementById("log")?.replaceChildren();
      addLines(JSON.parse(event.data).text);
    });
    source.addEventListener("lines", (event) => addLines(JSON.parse(event.data).text));
    source.addEventListener("over", () => {
      body.removeAttribute("data-stream");
      disconnect();
      for (const one of document.querySelectorAll(".goes-on")) one.textContent = "It has ended.";
    });
    source.addEventListener("error", () => {
      disconnect();
      lost();
      setTimeout(connect, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT);
    });
  }

  function disconnect() {
    if (source) source.close();
    source = null;
  }

  // Browsers allow six streams to one server: a page that nobody sees holds none.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) disconnect();
    else connect();
  });
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", connect);

  function addLines(text) {
    const log = document.getElementById("log");
    if (!log || !text) return;
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(text);
    while (log.childNodes.length > 2000) log.firstChild.remove();
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  }

  // ---- changes --------------------------------------------------------------------------

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.method !== "post" || form.dataset.plain !== undefined) return;
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    const data = new URLSearchParams(new FormData(form));
    if (event.submitter?.name) data.append(event.submitter.name, event.submitter.value);
    const action = event.submitter?.getAttribute("formaction") || form.getAttribute("action");
    form.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(action, {
        method: "POST", body: data, headers: { "x-part": "1" },
      });
      const html = await response.text();
      if (response.ok) {
        form.reset();
        form.closest("tr.remark[data-new]")?.remove();
        tell(elementOf(html).textContent.trim().replace(/\s+/g, " "), false);
        await refresh(false);
      } else answer(form, elementOf(html));
    } catch {
      lost();
      const note = document.createElement("p");
      note.className = "note wrong";
      note.textContent = "The server does not answer. What you typed is kept here.";
      answer(form, note);
    } finally {
      form.removeAttribute("aria-busy");
    }
  });

  function answer(form, element) {
    form.querySelector(":scope > .answer")?.remove();
    const holder = document.createElement("div");
    holder.className = "answer";
    holder.setAttribute("role", "alert");
    form.append(holder);
    holder.append(element);
    for (const button of element.querySelectorAll("button[data-refresh]"))
      button.addEventListener("click", () => takeVersion(form));
  }

  // After a look at what changed, what was typed can be sent against the record as it is now.
  async function takeVersion(form) {
    const response = await fetch(location.href);
    const found = new DOMParser().parseFromString(await response.text(), "text/html");
    const action = form.getAttribute("action");
    const same = [...found.querySelectorAll("form")].find((one) =>
      one.getAttribute("action") === action);
    if (!same) { tell("This cannot be done any more.", true); return; }
    for (const name of ["version", "token"])
      if (form.elements[name] && same.elements[name])
        form.elements[name].value = same.elements[name].value;
    form.querySelector(":scope > .answer")?.remove();
    tell("The form is made for the task as it is now. Look at it, and send it again.", false);
  }

  // ---- search ---------------------------------------------------------------------------

  function filter() {
    const field = document.getElementById("search");
    if (!field) return;
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const milestone = document.getElementById("milestone")?.value || "";
    for (const one of document.querySelectorAll("[data-text]")) {
      const text = one.dataset.text.toLowerCase();
      const fits = words.every((word) => text.includes(word));
      one.hidden = !fits || (milestone !== "" && one.dataset.milestone !== milestone);
    }
    for (const column of document.querySelectorAll(".column")) {
      const count = column.querySelector(".count");
      if (count) count.textContent =
        column.querySelectorAll("[data-text]:not([hidden])").length || count.dataset.all || 0;
    }
  }

  document.addEventListener("input", (event) => {
    if (event.target.closest("form.search")) filter();
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form.search")) return;
    event.preventDefault();
    filter();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
    const field = document.getElementById("search");
    if (field) { event.preventDefault(); field.focus(); }
  });

  // ---- remarks on lines -----------------------------------------------------------------

  function openRemark(link, extend) {
    const row = link.closest("tr");
    const table = row.closest("table");
    const holder = document.getElementById("remark-form");
    if (!holder) return;
    const [path, line] = split(link.dataset.place);
    let first = line, last = line, end = row;
    const open = table.querySelector("tr.remark[data-new]");
    if (extend && open) {
      const [otherPath, otherLine] = split(open.dataset.from);
      if (otherPath === path) {
        first = Math.min(line, otherLine);
        last = Math.max(line, otherLine);
        if (line < otherLine) end = open.previousElementSibling;
      }
    }
    const kept = open?.querySelector("textarea").value || "";
    for (const other of document.querySelectorAll("tr.remark[data-new]")) {
      if (other !== open && other.querySelector("textarea").value) continue;
      other.remove();
    }
    const made = document.createElement("tr");
    made.className = "remark";
    made.dataset.new = "";
    made.dataset.from = extend && open ? open.dataset.from : link.dataset.place;
    const cell = made.insertCell();
    cell.colSpan = 3;
    cell.append(holder.content.cloneNode(true));
    const place = first === last ? `${path}:${first}` : `${path}:${first}-${last}`;
    cell.querySelector("[name=place]").value = place;
    cell.querySelector(".place").textContent = place;
    const field = cell.querySelector("textarea");
    field.id = `remark-${place}`;
    cell.querySelector("label").htmlFor = field.id;
    field.value = kept;
    cell.querySelector("button[type=button]").addEventListener("click", () => {
      made.remove();
      mark();
      link.focus();
    });
    end.after(made);
    mark();
    field.focus();
  }

  function split(place) {
    const at = place.lastIndexOf(":");
    return [place.slice(0, at), Number(place.slice(at + 1))];
  }

  function mark() {
    for (const row of document.querySelectorAll("tr.chosen")) row.classList.remove("chosen");
    for (const open of document.querySelectorAll("tr.remark[data-new]")) {
      const place = open.querySelector("[name=place]").value;
      const [path, first, last] = /^(.*):(\d+)(?:-(\d+))?$/.exec(place).slice(1);
      for (const link of open.closest("table").querySelectorAll("a[data-place]")) {
        const [other, line] = split(link.dataset.place);
        if (other === path && line >= Number(first) && line <= Number(last || first))
          link.closest("tr").classList.add("chosen");
      }
    }
  }

  document.addEventListener("click", (event) => {
    const row = event.target.closest(".diff tr");
    if (!row || event.target.closest("tr.remark") || String(getSelection()) !== "") return;
    const link = row.querySelector("a[data-place]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    openRemark(link, event.shiftKey);
  });

  // One stop of the Tab key a file; arrows go from line to line.
  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("a[data-place]");
    if (!link || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    const links = [...link.closest("table").querySelectorAll("a[data-place]")];
    const next = links[links.indexOf(link) + (event.key === "ArrowDown" ? 1 : -1)];
    if (!next) return;
    link.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  // ---- pictures -------------------------------------------------------------------------

  function prepareAll() {
    for (const tools of document.querySelectorAll("[data-for]")) prepareZoom(tools);
  }

  function prepareZoom(tools) {
    const picture = document.getElementById(tools.dataset.for);
    const svg = picture?.querySelector("svg");
    if (!svg) return;
    tools.hidden = false;
    const width = Number(svg.viewBox.baseVal.width);
    const height = Number(svg.viewBox.baseVal.height);
    let scale = Number(tools.dataset.scale) || 1;
    const zoom = (to, x, y) => {
      const next = Math.min(4, Math.max(0.05, to));
      const left = (picture.scrollLeft + x) * next / scale - x;
      const top = (picture.scrollTop + y) * next / scale - y;
      scale = next;
      tools.dataset.scale = scale;
      svg.setAttribute("width", width * scale);
      svg.setAttribute("height", height * scale);
      picture.scrollTo(left, top);
    };
    const middle = (to) => zoom(to, picture.clientWidth / 2, picture.clientHeight / 2);
    const steps = {
      in: () => middle(scale * 1.25),
      out: () => middle(scale / 1.25),
      fit: () => middle(Math.min(picture.clientWidth / width, picture.clientHeight / height, 1)),
      one: () => middle(1),
    };
    for (const button of tools.querySelectorAll("button[data-zoom]"))
      button.onclick = steps[button.dataset.zoom];
    picture.onwheel = (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = picture.getBoundingClientRect();
      zoom(scale * Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
    };
    picture.onkeydown = (event) => {
      const step = { "+": "in", "=": "in", "-": "out", "0": "fit", "1": "one" }[event.key];
      if (step && event.target === picture) { event.preventDefault(); steps[step](); }
    };
    let from = null;
    picture.onpointerdown = (event) => {
      if (event.pointerType !== "mouse" || event.button || event.target.closest("a")) return;
      from = [event.clientX + picture.scrollLeft, event.clientY + picture.scrollTop];
      picture.setPointerCapture(event.pointerId);
      picture.classList.add("held");
    };
    picture.onpointermove = (event) => {
      if (from) picture.scrollTo(from[0] - event.clientX, from[1] - event.clientY);
    };
    picture.onpointerup = picture.onpointercancel = () => {
      from = null;
      picture.classList.remove("held");
    };
    if (tools.dataset.scale) middle(scale);
  }

  // ---- at the beginning, and after a page was made anew ---------------------------------

  function prepare() {
    for (const table of document.querySelectorAll(".diff"))
      [...table.querySelectorAll("a[data-place]")].forEach((link, number) => {
        link.tabIndex = number ? -1 : 0;
      });
    prepareAll();
    const log = document.getElementById("log");
    if (log) log.scrollTop = log.scrollHeight;
    for (const one of document.querySelectorAll(".needs-script")) one.hidden = false;
    filter();
    title();
  }

  prepare();
  connect();
  // A page that was asked for with a search holds only what fits; scripts hide it instead.
  if (document.getElementById("search") && location.search) {
    history.replaceState(null, "", location.pathname);
    refresh(true);
  }
})();
