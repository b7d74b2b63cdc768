#!/usr/bin/env python
"""Every report, the gallery and a comparison in a real browser without a network: nothing is fetched, no script runs.

    .venv/bin/python .ci/test_pages.py

Beside the pages of reports/, three are made here whose names, parameters, metrics and errors try to be programs.
Needs a Chromium and playwright, as test_ui.py does; without them nothing is tested, visibly. A picture of the gallery goes
to runs/test_ui. The last line is "N passed, M failed".
"""
import os, shutil, sys, tempfile
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
EVIL = '<script>window.owned = 1; document.title = "owned"</script><img src="http://127.0.0.1:9/x.png" onerror="window.owned = 1">"><svg onload="window.owned = 1">'


def skip(reason):
    print(f'SKIPPED: the pages were not tested in a browser: {reason}\n0 passed, 0 failed, 1 skipped', flush=True)
    sys.exit(0)


def hostile_pages(folder):
    "A run whose parameter, output and error are hostile, its report, a comparison with others, and a gallery of all that."
    from vismod.core import RunRecord
    from vismod.gallery import gallery
    from vismod.metrics import CsvLog
    from vismod.notebook_parameters import make_notebook
    from vismod.notebook_runs import run_notebook
    from vismod.run_comparison import find_runs, write_comparison
    notebook = make_notebook(folder / 'hostile.ipynb', 'from IPython.display import HTML, Markdown, display', 'print(text); display(HTML(text), Markdown(text))', 'raise ValueError(text)', parameters='text: str = ""')
    run = run_notebook(notebook, dict(text=EVIL), out=folder / 'runs', name='notebook')
    with RunRecord(folder / 'runs/<img src=x onerror=owned=1>', EVIL, {EVIL: EVIL, 'lr': 1}) as record:
        CsvLog(record.folder / 'metrics.csv').extend([dict(step=step, split=EVIL, method=EVIL, metric=EVIL, value=step) for step in range(3)])
        record.note(**{EVIL: 1})
    assert run.status == 'failed' and EVIL[:20] in run.error, run
    return [run.folder / 'report.html', run.folder / 'report_no_code.html', write_comparison(find_runs(folder / 'runs'), folder / 'comparison'), gallery(folder)]


def faults(browser, path, shot=None):
    "What is wrong with a page, one sentence each."
    context = browser.new_context(offline=True, viewport=dict(width=1280, height=900))
    page, asked, said = context.new_page(), [], []
    page.on('request', lambda request: request.url.startswith('data:') or asked.append(unquote(request.url)))
    page.on('console', lambda message: said.append(message.text))
    page.on('dialog', lambda dialog: (said.append(f'dialog: {dialog.message}'), dialog.dismiss()))
    page.goto(path.as_uri(), wait_until='load')
    page.wait_for_timeout(300)
    extra = [address for address in asked if address != unquote(path.as_uri())]
    if extra: yield f'asks for {extra[0][:100]} and {len(extra) - 1} more'
    if said: yield f'says {said[0][:100]}'
    if page.evaluate('document.scripts.length'): yield 'holds a script'
    if page.evaluate('typeof window.owned') != 'undefined' or page.title() == 'owned': yield 'ran a script'
    broken = page.evaluate('[...document.images].filter(image => !image.naturalWidth).map(image => image.alt || image.src.slice(0, 60))')
    if broken: yield f'{len(broken)} pictures do not show, {broken[0]} first'
    for link in page.evaluate('[...document.querySelectorAll("a[href]")].map(link => link.href)'):
        if link.startswith('file:') and not Path(unquote(link.removeprefix('file://').split('#')[0])).exists(): yield f'leads to {link[-80:]}, which is not there'
    if shot: page.screenshot(path=shot, full_page=True)
    context.close()


def main():
    chromium = os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
    if not chromium: skip('there is no chromium (Debian: apt install chromium)')
    try: from playwright.sync_api import sync_playwright
    except ImportError: skip('there is no playwright (pip install playwright)')
    shots, results = ROOT / 'runs/test_ui', []
    shots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=['--no-sandbox', '--disable-background-networking'])
        own = [path for path in sorted((ROOT / 'reports').rglob('*.html')) if path.parent.name != 'readme']  # that one is made for the README's links
        for path in [*own, *hostile_pages(Path(folder))]:
            found = list(dict.fromkeys(faults(browser, path, shots / 'reports.png' if path == ROOT / 'reports/index.html' else None)))
            results.append(not found)
            print(f'{"FAIL" if found else "ok  "}  {path.relative_to(ROOT) if path in own else "hostile " + path.name}', *(f'      {fault}' for fault in found), sep='\n' if found else '', flush=True)
        unclean = Path(folder, 'unclean.html')
        unclean.write_text(f'<p>{EVIL}</p><a href="none.html">x</a>')
        found = list(faults(browser, unclean))
        results.append(len(found) >= 5)
        print(f'{"ok  " if results[-1] else "FAIL"}  control: of an unclean page it is said that it', '; '.join(found).replace(folder, ''), flush=True)
        browser.close()
    print(f'{sum(results)} passed, {len(results) - sum(results)} failed', flush=True)
    return 0 if results and all(results) else 1


if __name__ == '__main__': sys.exit(main())
