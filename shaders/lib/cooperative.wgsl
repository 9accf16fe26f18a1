// Cooperative matrices of f16 operands: directives, which must come first.

enable f16;
enable wgpu_cooperative_matrix;
