// Coordinates of element `i` of an array [N, H, W, C / 4]; `pixel` counts over the batch.

struct Place {
    n: u32,
    row: u32,
    column: u32,
    c4: u32,
    pixel: u32,
}

fn place(i: u32, h: u32, w: u32, c4s: u32) -> Place {
    let pixel = i / c4s;
    let line = pixel / w;
    return Place(line / h, line % h, pixel % w, i % c4s, pixel);
}
