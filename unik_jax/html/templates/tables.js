// Tables: a click on a heading sorts, another click reverses the order.
for (const head of document.querySelectorAll('th[data-sort]')) {
  const button = head.querySelector('button');
  button.addEventListener('click', () => {
    const up = head.getAttribute('aria-sort') === head.dataset.sort
      ? { ascending: 'descending', descending: 'ascending' }[head.dataset.sort]
      : head.dataset.sort;
    for (const other of head.parentNode.children) {
      other.removeAttribute('aria-sort');
    }
    head.setAttribute('aria-sort', up);
    const sign = up === 'ascending' ? 1 : -1;
    const body = head.closest('table').tBodies[0];
    const value = (row) => {
      const text = row.cells[head.cellIndex].dataset.value;
      return text === '' || isNaN(text) ? text : Number(text);
    };
    const compare = (a, b) => {
      // A cell without a value comes last in either order.
      if (a === '' || b === '') return (a === '') - (b === '');
      return sign * (typeof a === 'number' && typeof b === 'number'
        ? a - b : String(a).localeCompare(String(b)));
    };
    [...body.rows].sort((a, b) => compare(value(a), value(b)))
      .forEach((row) => body.append(row));
  });
}
