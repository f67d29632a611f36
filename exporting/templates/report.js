// Filters what is there, and shows a photo large; without it all photos are there, and pictures open by themselves.
// They are no list: a browser numbers all items of a list anew for each that is hidden, half a minute for 5,000.
const cards = [...document.querySelectorAll("#photos > article")];
const texts = cards.map((card) => card.textContent.toLowerCase());
const find = document.getElementById("find"), state = document.getElementById("state"), shown = document.getElementById("shown");
const number = new Intl.NumberFormat("en-US");
document.getElementById("filter").hidden = false;

function filter() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = state.value;
  let left = 0;
  cards.forEach((card, index) => {
    const fits = (!wanted || card.dataset.state === wanted) && words.every((word) => texts[index].includes(word));
    card.hidden = !fits;
    left += fits;
  });
  shown.textContent = `${number.format(left)} of ${number.format(cards.length)} shown`;
}
let waits;
find.addEventListener("input", () => { clearTimeout(waits); waits = setTimeout(filter, 120); });
state.addEventListener("change", filter);
document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
filter();

const large = document.getElementById("large");
let at = 0;
function show(index) {
  at = index;
  const card = cards[at];
  large.querySelector("h2").textContent = card.querySelector("h2").textContent;
  large.querySelector("p").textContent = card.querySelector("p").textContent;
  const pair = large.querySelector(".pair");
  pair.replaceChildren(...[...card.querySelectorAll("figure")].map((each) => each.cloneNode(true)));
  for (const link of pair.querySelectorAll("a")) link.target = "_blank";
  for (const picture of pair.querySelectorAll("img")) picture.loading = "eager";
  if (!large.open) large.showModal();
}
function step(by) {
  for (let next = at + by; next >= 0 && next < cards.length; next += by) if (!cards[next].hidden) return show(next);
}
document.getElementById("photos").addEventListener("click", (event) => {
  const link = event.target.closest("a[data-large]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(cards.indexOf(link.closest("article")));
});
large.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") step(1);
  else if (event.key === "ArrowLeft") step(-1);
});
large.addEventListener("click", (event) => {
  if (event.target === large) large.close();
  const by = event.target.closest("[data-step]");
  if (by) step(Number(by.dataset.step));
});
// What is printed is there, also what nobody has scrolled to.
addEventListener("beforeprint", () => document.querySelectorAll("article:not([hidden]) img").forEach((each) => (each.loading = "eager")));
