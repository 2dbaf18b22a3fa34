// Curves side by side: on which axis losses can be compared, and which of them are the same.
"use strict";

const comparison = (catalogue) => {
  const RANGES = { probability: [0.001, 0.999], margin: [-6, 6], cosine: [-0.999, 0.999] };
  const ownAxis = (name) => catalogue.losses[name].axis;
  const sharedOf = (name) => formulas.maps[formulas.takes[ownAxis(name)]] ?? {};

  const defaults = (name) =>
    Object.fromEntries(catalogue.losses[name].options.map((option) => [option.name, option.default]));

  /** The axes on which all of these losses are functions: their own, if it is one, and those that they share. */
  const axes = (entries) => {
    const own = entries.every(({ name }) => ownAxis(name) === ownAxis(entries[0].name)) ? ["own"] : [];
    return [...own, ...Object.keys(RANGES).filter((axis) => entries.every(({ name }) => axis in sharedOf(name)))];
  };

  /** Value and derivative of a loss at a number of an axis. */
  const evaluate = ({ name, options }, axis, x) => {
    // Over a probability the derivative is the one by its logit, which training follows.
    const along = [x, axis === "probability" ? x * (1 - x) : 1];
    return formulas.losses[name](axis === "own" ? along : sharedOf(name)[axis](along, options), options);
  };

  const range = (entries, axis) => {
    if (axis !== "own") return RANGES[axis];
    const records = entries.map(({ name }) => catalogue.losses[name]);
    return [Math.min(...records.map(({ low }) => low)), Math.max(...records.map(({ high }) => high))];
  };

  const grid = ([low, high], points) =>
    Array.from({ length: points }, (_, i) => low + ((high - low) * i) / (points - 1));

  /** How the first of two losses follows from the second: equal to it, so many times it, or so much more than it. */
  const relation = (a, b, points = 61) => {
    const axis = axes([a, b])[0];
    if (!axis) return null;
    const pairs = grid(range([a, b], axis), points).map((x) => [evaluate(a, axis, x)[0], evaluate(b, axis, x)[0]]);
    const size = Math.max(...pairs.map(([v]) => Math.abs(v)));
    const holds = (by) => pairs.every(([v, w]) => Math.abs(v - by(w)) <= 1e-9 * Math.max(size, 1e-9));
    if (!Number.isFinite(size) || size === 0) return null;
    if (holds((w) => w)) return { kind: "equal" };
    const [v, w] = pairs.reduce((largest, pair) => (Math.abs(pair[1]) > Math.abs(largest[1]) ? pair : largest));
    const least = Math.min(...pairs.map(([, value]) => value));
    if (w !== 0 && w !== least && holds((value) => (v / w) * value)) return { kind: "multiple", by: v / w };
    if (w !== least && holds((value) => value + v - w)) return { kind: "shift", by: v - w };
    return null;
  };

  /** Settings of a loss that others may equal: each option at its default, 0, 1/2, 1, or at a number of the other's. */
  const settings = (name, like) => {
    const numbers = [...new Set([0, 0.5, 1, ...Object.values(like).filter((value) => typeof value === "number")])];
    return catalogue.losses[name].options.reduce((found, option) => {
      const values =
        option.kind === "number"
          ? [option.default, ...numbers.filter((value) => value !== option.default && permits(option, value))]
          : option.kind === "choice"
            ? option.values
            : [option.default];
      return found.flatMap((setting) => values.map((value) => ({ ...setting, [option.name]: value })));
    }, [{}]);
  };

  const within = (interval, value) =>
    typeof value === "number" &&
    Number.isFinite(value) &&
    (interval.low === null || value > interval.low || (value === interval.low && !interval.lowOpen)) &&
    (interval.high === null || value < interval.high || (value === interval.high && !interval.highOpen));

  /** Whether an option may be this value. */
  const permits = (option, value) => {
    if (option.kind === "flag") return typeof value === "boolean";
    if (option.kind === "choice") return option.values.includes(value);
    return ("off" in option && value === option.off) || within(option, value);
  };

  /** What an option may be beside the words of the others: null where it does not belong to them. */
  const beside = (name, option, options) => {
    for (const other of catalogue.losses[name].options) {
      const ranges = other.ranges?.[option.name];
      if (ranges) return ranges[options[other.name]] ? { ...option, ...ranges[options[other.name]] } : null;
    }
    return option;
  };

  /** The options with those that do not belong to the words of the others at their defaults. */
  const coherent = (name, options) =>
    Object.fromEntries(
      catalogue.losses[name].options.map((option) => {
        const allowed = beside(name, option, options);
        if (allowed === null) return [option.name, option.default];
        const given = options[option.name];
        if (permits(allowed, given)) return [option.name, given];
        const inside = allowed.lowOpen ? allowed.slider.from + (allowed.slider.to - allowed.slider.from) / 5 : allowed.low;
        return [option.name, permits(allowed, option.default) ? option.default : inside];
      }),
    );

  const isDefault = (name, setting) =>
    catalogue.losses[name].options.filter((option) => setting[option.name] !== option.default).length;

  /** The losses that an identity sets beside this one, each with the options at which both are the same curve. */
  const sameAs = (entry) => {
    const partners = new Map();
    for (const [identity, { relation: kind, losses }] of Object.entries(catalogue.identities)) {
      if (kind !== "equal" || !losses.includes(entry.name)) continue;
      for (const name of losses)
        if (name !== entry.name && catalogue.losses[name] && !partners.has(name)) partners.set(name, identity);
    }
    return [...partners].flatMap(([name, identity]) => {
      const found = settings(name, entry.options)
        .map((options) => coherent(name, options))
        .filter((options) => axes([entry, { name, options }]).length)
        .sort((a, b) => isDefault(name, a) - isDefault(name, b))
        .find((options) => relation(entry, { name, options }, 13));
      return found ? [{ name, options: found, identity, ...relation(entry, { name, options: found }) }] : [];
    });
  };

  /** What identities say of two losses. */
  const stated = (a, b) =>
    Object.values(catalogue.identities).filter(({ losses }) => losses.includes(a) && losses.includes(b) && a !== b);

  /** Losses in groups that have an axis in common: one group where there is one for all. */
  const groups = (entries) => {
    if (axes(entries).length) return [entries];
    const found = [];
    for (const entry of entries) {
      const group = found.find((others) => axes([...others, entry]).length);
      if (group) group.push(entry);
      else found.push([entry]);
    }
    return found;
  };

  return { defaults, axes, evaluate, range, grid, relation, permits, beside, coherent, sameAs, stated, groups, ownAxis };
};
