// What went wrong, in words; see RFC 9457.

export class Problem extends Error {
  constructor({ title, detail, code = null, requestId = null, retryAfterS = null, again = true, mild = false }) {
    super(detail);
    Object.assign(this, { title, detail, code, requestId, retryAfterS, again, mild });
  }
}
