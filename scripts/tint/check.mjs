// Compiles shaders with Tint (through Dawn, without a driver) and makes pipelines of them.
//
//   node check.mjs FOLDER SHADERS.json
//
// FOLDER holds node_modules. SHADERS.json: [{name, wgsl, constants: [{NAME: value}, ...]}, ...]; a pipeline
// is made with each set of constants. Prints {"pipelines": how many, "refused": {name: [message, ...]}}.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, file] = process.argv.slice(2);
const dawn = resolve(folder, 'node_modules', 'webgpu', 'index.js');
const { create } = await import(pathToFileURL(dawn).href);
// The objects of Dawn say what is refused on the error stream too; the answers are enough.
console.error = console.warn = () => {};

const adapter = await create(['backend=null']).requestAdapter();
const wanted = ['shader-f16', 'subgroups'];
const device = await adapter.requestDevice({
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
});
device.addEventListener?.('uncapturederror', (event) => event.preventDefault());

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
            try {
                await device.createComputePipelineAsync({
                    layout: 'auto',
                    compute: { module, entryPoint: 'main', constants: set },
                });
                pipelines += 1;
            } catch (error) {
                errors.push(`${JSON.stringify(set)}: ${error.message}`);
            }
        }
    }
    if (errors.length > 0) refused[name] = errors;
}
process.stdout.write(JSON.stringify({ pipelines, refused }));
// Dawn's event loop would wait for a device that nobody closes.
process.exit(0);
