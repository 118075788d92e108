// Writes what we are to encode.
import { emit } from "./bodies.mjs";
import { requests } from "./events.mjs";

requests("").forEach(emit);
