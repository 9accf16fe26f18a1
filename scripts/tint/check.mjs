// Compiles shaders with Tint (through Dawn, without a driver) and makes pipelines of them.
//
//   node check.mjs FOLDER SHADERS.json
//
// FOLDER holds node_modules. SHADERS.json: [{name, wgsl, constants: [{NAME: value}, ...]}, ...]; a pipeline
// is made with each set of constants. Prints {"pipelines": how many, "refused": {name: [message, ...]}}.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, file] = process.argv.slice(2);
const dawn = resolve(folder, 'node_modules', 'webgpu', 'index.js');
const { create } = await import(pathToFileURL(dawn).href);

// This is global so that the garbage collector leaves it alone, and with it all that comes from it.
globalThis.gpu = create(['backend=null']);
const adapter = await globalThis.gpu.requestAdapter();
const wanted = ['shader-f16', 'subgroups'];
const device = await adapter.requestDevice({
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
});

const refused = {};
let pipelines = 0;
for (const { name, wgsl, constants } of JSON.parse(readFileSync(file, 'utf8'))) {
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: name, code: wgsl });
    const { messages } = await module.getCompilationInfo();
    await device.popErrorScope();
    const errors = messages
        .filter(({ type }) => type !== 'info')
        .map(({ type, lineNum, message }) => `${type} in line ${lineNum}: ${message}`);
    if (errors.length === 0) {
        for (const set of constants) {
            device.pushErrorScope('validation');
            device.createComputePipeline({
                layout: 'auto',
                compute: { module, entryPoint: 'main', constants: set },
            });
            const error = await device.popErrorScope();
            if (error === null) pipelines += 1;
            else errors.push(`${JSON.stringify(set)}: ${error.message}`);
        }
    }
    if (errors.length > 0) refused[name] = errors;
}
writeFileSync(1, JSON.stringify({ pipelines, refused }));
// Without an exit, Dawn waits for events as long as its GPU lives.
process.exit(0);
