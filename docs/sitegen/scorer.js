// Search results that are equal otherwise: pages that say how to do something come before those that only have the word.
const PLACES = [
  [/^(start|choose)$/, 4],
  [/^guides\//, 4],
  [/^(index|idea|pictures|latents|inversion|probes|sources\/.*)$/, 3],
  [/^(results|catalog|catalog\/.*)$/, 2],
  [/^studies\//, 1],
  [/^(changelog|contributing|log|design)$/, -2],
];

const ASKED = (new URLSearchParams(window.location.search).get("q") || "").toLowerCase().match(/\w+/g) || [""];

var Scorer = {
  score: ([page, title, , , score]) => {
    const [, place] = PLACES.find(([pattern]) => pattern.test(page)) || [null, 0];
    const named = ASKED.filter((word) => title.toLowerCase().includes(word)).length / ASKED.length;
    return score + place + 6 * named;
  },
  // What follows is what Sphinx itself has.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
