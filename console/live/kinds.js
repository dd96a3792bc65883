// Words of the kinds that are not their own, as the template "kind" has them.

export const kinds = { ok: "flows", unknown: "quiet", names: "names differ" };
