// 16-bit floats: a directive, which must come first.

enable f16;
