const data = JSON.parse(document.getElementById('data').textContent);

// Confusion matrix: describes the cell under the pointer.
const matrix = document.querySelector('.confusion image');
if (matrix) {
  const readout = document.getElementById('readout');
  const show = (event) => {
    const box = matrix.getBoundingClientRect();
    const size = data.classes.length;
    const row = Math.floor((event.clientY - box.top) / box.height * size);
    const column = Math.floor((event.clientX - box.left) / box.width * size);
    if (row < 0 || column < 0 || row >= size || column >= size) return;
    const counts = data.confusion[row];
    const total = Object.values(counts).reduce((a, b) => a + b, 0);
    readout.textContent = `${data.classes[row]} \u2192 ${data.classes[column]}:`
      + ` ${counts[column] || 0} of ${total} clips`;
  };
  const chart = matrix.closest('svg');
  chart.addEventListener('pointermove', show);
  chart.addEventListener('click', show);
}

// Skeletons: plays each clip on its canvas.
const COLORS = { '-1': '#2a6191', 0: '#1d2733', 1: '#b8571b' };
const GROUND = '#f5f7f9'; // of the canvas
const MARGIN = 0.07;

function draw(canvas, frame) {
  const size = canvas.clientWidth * (window.devicePixelRatio || 1);
  if (canvas.width !== Math.round(size)) {
    canvas.width = canvas.height = Math.round(size);
  }
  const pen = canvas.getContext('2d');
  pen.clearRect(0, 0, size, size);
  const scale = size * (1 - 2 * MARGIN) / data.size;
  frame.forEach((points, person) => {
    const at = (joint) => [points[2 * joint], points[2 * joint + 1]]
      .map((value) => value * scale + size * MARGIN);
    const seen = (joint) => points[2 * joint] >= 0;
    const stroke = (width, color) => {
      pen.lineWidth = width * size;
      for (const [child, parent, side] of data.bones) {
        if (!seen(child) || !seen(parent)) continue;
        pen.strokeStyle = color || COLORS[side];
        pen.beginPath();
        pen.moveTo(...at(child));
        pen.lineTo(...at(parent));
        pen.stroke();
      }
    };
    const dot = (radius, color) => {
      pen.fillStyle = color;
      for (let joint = 0; 2 * joint < points.length; joint++) {
        if (!seen(joint)) continue;
        pen.beginPath();
        pen.arc(...at(joint), radius * size, 0, 2 * Math.PI);
        pen.fill();
      }
    };
    pen.lineCap = 'round';
    // The first person's lines are solid, all others' hollow. A pale edge
    // separates bodies that overlap.
    if (frame.length > 1) stroke(0.034, GROUND);
    stroke(person ? 0.024 : 0.012);
    if (person) stroke(0.011, GROUND);
    dot(person ? 0.012 : 0.009, COLORS[0]);
    if (person) dot(0.006, GROUND);
  });
}

const canvases = [...document.querySelectorAll('canvas')];
if (canvases.length) {
  const button = document.querySelector('.play');
  let playing = !matchMedia('(prefers-reduced-motion: reduce)').matches;
  let clock = 0;
  let last = null;
  const render = () => canvases.forEach((canvas) => {
    const clip = data.clips[canvas.dataset.clip];
    if (!clip.frames.length) return;
    // Pauses for half a second at the end.
    const share = clock % (clip.seconds + 0.5) / clip.seconds;
    const index = Math.floor(share * clip.frames.length);
    draw(canvas, clip.frames[Math.min(index, clip.frames.length - 1)]);
  });
  const tick = (now) => {
    if (!playing) return;
    if (last !== null) clock += (now - last) / 1000;
    last = now;
    render();
    requestAnimationFrame(tick);
  };
  const start = () => {
    button.textContent = playing ? 'Pause' : 'Play';
    last = null;
    if (playing) requestAnimationFrame(tick);
  };
  button.addEventListener('click', () => { playing = !playing; start(); });
  window.addEventListener('resize', render);
  render();
  start();
}
