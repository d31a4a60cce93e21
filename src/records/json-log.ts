/**
 * A log format that is one JSON object a line, for loggers of the user's: ids and outcome first, what clients control
 * last and escaped. Retries are text: `%rc` has a `+` before the number where another server was tried.
 */
export const JSON_LOG = `{${[
  '"trace_id":"%[var(txn.otel.hop),bytes(0,32)]","span_id":"%[var(txn.otel.hop),bytes(33,16)]"',
  '"request_id":"%[var(txn.otel.request_id),json(utf8s)]","status":%ST,"termination_state":"%tsc"',
  '"retries":"%rc","frontend":"%ft","backend":"%b","server":"%s","time":%Ts%ms,"Th":%Th,"Ti":%Ti',
  '"TR":%TR,"Tw":%Tw,"Tc":%Tc,"Tr":%Tr,"Td":%Td,"Ta":%Ta,"client_address":"%ci","client_port":%cp',
  '"bytes_uploaded":%U,"bytes_read":%B,"method":"%HM","target":"%[var(txn.otel.target),json(utf8s)]"',
].join(',')}}`;
