// The text of a hyperparameter's domain, taken apart and put together: `16, 64`, `0.001 .. 1 log if optimizer is sgd`.
// Values stay the texts that they are, so that nothing is changed on the way.

const IF = " if ", AND = " and ", IS = " is ", OR = " or ";
const RANGE = /^(.*?)\s*\.\.\s*(\S*)(?:\s+step\s+(\S+))?(\s+log)?$/;

/** {mode, value | values | low, high, step, log, conditions}; null where only the text itself can say it. */
export function parseDomain(text) {
  const trimmed = text.trim();
  if (/^[[{]/.test(trimmed)) return null;
  const at = trimmed.indexOf(IF);
  const base = (at < 0 ? trimmed : trimmed.slice(0, at)).trim();
  const conditions = at < 0 ? [] : parseConditions(trimmed.slice(at + IF.length));
  if (!conditions) return null;
  if (base.includes("..")) {
    const match = RANGE.exec(base);
    if (!match) return null;
    const [, low, high, step = "", log] = match;
    return { mode: "range", low, high, step, log: Boolean(log), conditions };
  }
  if (base.includes(",")) {
    return { mode: "choices", values: base.split(",").map((value) => value.trim()).filter(Boolean), conditions };
  }
  return { mode: "fixed", value: base, conditions };
}

function parseConditions(text) {
  const conditions = text.split(AND).map((clause) => {
    const at = clause.indexOf(IS);
    return at < 0 ? null : { name: clause.slice(0, at).trim(), values: clause.slice(at + IS.length).split(OR).map((v) => v.trim()) };
  });
  return conditions.includes(null) ? null : conditions;
}

/** The inverse of parseDomain; nothing where there is no value. */
export function formatDomain(domain) {
  const base = formatBase(domain);
  const clauses = domain.conditions
    .filter(({ name, values }) => name && values.length)
    .map(({ name, values }) => `${name}${IS}${values.join(OR)}`);
  return base && clauses.length ? `${base}${IF}${clauses.join(AND)}` : base;
}

function formatBase(domain) {
  if (domain.mode === "fixed") return domain.value;
  if (domain.mode === "choices") return domain.values.join(", ") + (domain.values.length === 1 ? "," : "");
  if (!domain.low && !domain.high) return "";
  const step = domain.step ? ` step ${domain.step}` : "";
  return `${domain.low} .. ${domain.high}${step}${domain.log ? " log" : ""}`;
}
