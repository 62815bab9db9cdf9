// The looks of trials that are told from all others: one for each place, as in `app/charts/looks.py`.

/** The look at a place, of the hues and symbols that a figure has. */
export function lookAt(place, { hues, symbols }) {
  return { color: hues[place % hues.length], symbol: symbols[Math.floor(place / hues.length) % symbols.length] };
}

/** The trials by place with a further one, which takes the first place that is free: "", or behind them. */
export function placed(trials, number) {
  if (trials.includes(number)) return trials;
  const free = trials.includes("") ? trials.indexOf("") : trials.length;
  return [...trials.slice(0, free), number, ...trials.slice(free + 1)];
}
