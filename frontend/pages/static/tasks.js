// The kinds of tasks that the pages know; `result.js` says what each module has.

import * as classification from "./classification.js";
import * as delineation from "./delineation.js";
import * as detection from "./detection.js";
import * as localisation from "./localisation.js";
import * as segmentation from "./segmentation.js";

export const TASKS = { classification, delineation, detection, localisation, segmentation };
