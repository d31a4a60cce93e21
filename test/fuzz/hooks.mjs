// What instrumented code reports to the fuzzer: of comparisons of numbers only those that are longer than a byte. It
// searches the input for what was compared, eight bytes of each, and would find none of a byte's; a call into the fuzzer
// for each is what most of a parser's time would go to.
const { tracer } = globalThis.Fuzzer;
const { traceAndReturn, traceNumberCmp } = tracer;

const isByte = (value) => (value & 0xff) === value;

/** A case of a switch. */
tracer.traceAndReturn = (current, target, id) =>
  isByte(current) && isByte(target) ? target : traceAndReturn(current, target, id);

tracer.traceNumberCmp = (one, other, operator, id) => {
  if (!(isByte(one) && isByte(other))) return traceNumberCmp(one, other, operator, id);
  switch (operator) {
    case '===':
    case '==':
      return one === other;
    case '!==':
    case '!=':
      return one !== other;
    case '>':
      return one > other;
    case '>=':
      return one >= other;
    case '<':
      return one < other;
    default:
      return one <= other;
  }
};
