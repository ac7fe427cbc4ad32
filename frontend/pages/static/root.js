// Where the service is published: a proxy may have put it below a path, which every address then begins with.

const file = new URL(import.meta.url).pathname; // <root>/static/<version>/root.js

/** The path, without a slash at its end; empty at the root of a host. */
export const ROOT = file.slice(0, file.lastIndexOf("/static/"));

/** The address of something that the service has at `path`. Addresses that it names itself are whole already. */
export const rooted = (path) => ROOT + path;
