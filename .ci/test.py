#!/usr/bin/env python
"""The test of the whole project: a few checks, the tests of every notebook, each in a process of its own, and the app in a browser.

    .venv/bin/python .ci/test.py                 everything
    .venv/bin/python .ci/test.py 00_core 01      the checks, and the notebooks whose names start like this
    .venv/bin/python .ci/test.py --checks        the checks alone

JOBS (2) notebooks run at a time, with THREADS (1) threads each and TIMEOUT (900) seconds at most.
Nothing in the work tree is changed: clean and export run in a copy. Before the end the style of the notebooks is measured,
which informs and fails nothing. The last line is "N passed, M failed".
"""
import argparse, ast, hashlib, json, os, re, shlex, shutil, signal, statistics, subprocess, sys, tempfile, threading, time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from pathlib import Path
from queue import SimpleQueue

BIN = Path(sys.executable).parent
LONGEST_CELL, TAIL = 40, 60


# What there is to test

def settings_of(root):
    config = ConfigParser(delimiters=['='])
    if not config.read(root / 'settings.ini', encoding='utf-8'): sys.exit(f'{root} holds no settings.ini')
    return config['DEFAULT']


def notebooks_in(root):
    "Every notebook nbdev would see: not in, and not itself, something that starts with `_` or `.`."
    folder = root / settings_of(root)['nbs_path']
    hidden = lambda path: any(part[0] in '_.' for part in path.relative_to(folder).parts)
    return sorted(path for path in folder.rglob('*.ipynb') if not hidden(path))


def load(path):
    return json.loads(path.read_text(encoding='utf-8'))


def loadable(root):
    "Notebooks that parse; the others are reported by `check_format`."
    for path in notebooks_in(root):
        try: yield path, load(path)
        except ValueError: pass


def source(cell):
    return ''.join(cell.get('source', ''))


def code_cells(notebook):
    return [cell for cell in notebook.get('cells', []) if cell.get('cell_type') == 'code']


# The checks: each yields what is wrong, one sentence a line

def check_format(root):
    "notebooks parse, are nbformat 4.5 with cell ids, name their language, and hold no state of widgets"
    for path in notebooks_in(root):
        try: notebook = load(path)
        except ValueError as error:
            yield f'{path.name}: not valid JSON ({error})'
            continue
        form = notebook.get('nbformat'), notebook.get('nbformat_minor')
        if form != (4, 5): yield f'{path.name}: nbformat is {form}, not (4, 5)'
        ids = Counter(cell.get('id') for cell in notebook.get('cells', []))
        if None in ids: yield f'{path.name}: {ids.pop(None)} cells without an id'
        for name, count in ids.items():
            if count > 1: yield f'{path.name}: cell id {name} is used {count} times'
        kernel = notebook.get('metadata', {}).get('kernelspec', {})
        if kernel.get('language') != 'python' or not kernel.get('name'): yield f'{path.name}: kernelspec needs a name and language python'
        shown = [output.get('data', {}) for cell in code_cells(notebook) for output in cell.get('outputs', [])]
        if notebook.get('metadata', {}).get('widgets') or any('application/vnd.jupyter.widget-view+json' in data for data in shown):
            yield f'{path.name}: holds the state of widgets, which is large and dead; clear that output, and switch off Save Widget State Automatically'
        if 'skip_exec' in ''.join(source(cell) for cell in notebook.get('cells', [])[:2]): yield f'{path.name}: skip_exec hides it from the tests'
    for path in (root / 'nbs').rglob('.notest'): yield f'{path.relative_to(root)} hides its folder from the tests'


def hashes(root):
    settings = settings_of(root)
    wanted = [*(root / settings['nbs_path']).rglob('*.ipynb'), *(root / settings['lib_path']).rglob('*.py')]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in wanted if '.ipynb_checkpoints' not in path.parts}


def run_tool(name, folder):
    result = subprocess.run([BIN / name], cwd=folder, env=environment(), capture_output=True, text=True)
    if result.returncode: yield f'{name} ended with {result.returncode}: {" ".join(result.stderr.strip().splitlines()[-1:])}'
    elif 'Failed to clean' in result.stderr: yield f'{name} could not read a notebook, and ended with 0 nevertheless'


def check_sync(root):
    "nbdev_clean and nbdev_export leave no difference"
    settings = settings_of(root)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / 'copy'
        copy.mkdir()
        for name in (settings['nbs_path'], settings['lib_path'], 'settings.ini'):
            put = shutil.copy if (root / name).is_file() else shutil.copytree
            put(root / name, copy / name)
        before = hashes(copy)
        for path in (copy / settings['lib_path']).rglob('*.py'):  # a module whose notebook is gone must not come back
            if path.name != '__init__.py': path.unlink()
        broken = [problem for name in ('nbdev_clean', 'nbdev_export') for problem in run_tool(name, copy)]
        after = hashes(copy)
    if broken:
        yield from broken
        return
    for name in sorted(before.keys() | after.keys()):
        if name not in after: yield f'{name} comes from no notebook; delete it'
        elif name not in before: yield f'{name} is missing; run: make export'
        elif before[name] != after[name]: yield f'{name} changes; run: make export' + (' (and edit the notebook, not this file)' if name.endswith('.py') else '')


def check_parameters(root):
    "every papermill notebook has its parameters cell, and no other notebook has one"
    from papermill import inspect_notebook
    listed = shlex.split(settings_of(root).get('papermill_notebooks', ''))
    known = dict(loadable(root))
    there = {path.stem: path for path in known}
    if not listed: yield 'settings.ini: papermill_notebooks names no notebook'
    for name in listed:
        if name not in there:
            yield f'{name}: listed under papermill_notebooks in settings.ini, but there is no such (readable) notebook'
            continue
        tagged = sum('parameters' in cell.get('metadata', {}).get('tags', []) for cell in code_cells(known[there[name]]))
        if tagged != 1: yield f'{name}: {tagged} cells are tagged parameters; papermill needs exactly one'
        elif not inspect_notebook(str(there[name])): yield f'{name}: papermill finds no parameter in the tagged cell'
    for name, path in there.items():
        tags = [tag for cell in known[path].get('cells', []) for tag in cell.get('metadata', {}).get('tags', [])]
        if tags and name not in listed: yield f'{name}: has a tagged cell, but is not listed under papermill_notebooks in settings.ini'
        if 'injected-parameters' in tags: yield f'{name}: holds the parameters of a papermill run; it was used as the output path'


def syntax(code):
    "What a cell says, magics left out; nothing when it is not Python: its own test will fail."
    try: return ast.parse(re.sub(r'(?m)^\s*[%!].*$', '', code))
    except SyntaxError: return ast.Module([], [])


def star_imports(code):
    return [node.module for node in ast.walk(syntax(code)) if isinstance(node, ast.ImportFrom) and node.names[0].name == '*']


def unseen_figures(code):
    "Calls like show_grid(…) that show nothing: they return a figure, which is drawn as the last value of a cell or by display(…), not within a loop or a block."
    tree = syntax(code)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Expr) or node in tree.body[-1:]: continue
        for call in [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]:
            name = isinstance(call, ast.Call) and getattr(call.func, 'id', getattr(call.func, 'attr', ''))
            if name and name.startswith('show_'): yield name


def code_lines(cell):
    "Lines that are neither empty nor a directive of nbdev."
    return [line for line in source(cell).splitlines() if line.strip() and not line.lstrip().startswith('#|')]


def check_cells(root):
    "no code cell over 40 lines, no star import, no figure that nobody sees"
    for path, notebook in loadable(root):
        for cell in code_cells(notebook):
            if (lines := len(code_lines(cell))) > LONGEST_CELL: yield f'{path.name}, cell {cell.get("id")}: {lines} lines; split it'
            for module in star_imports(source(cell)): yield f'{path.name}, cell {cell.get("id")}: from {module} import *; name what is needed'
            for name in unseen_figures(source(cell)): yield f'{path.name}, cell {cell.get("id")}: {name}(…) is not the last line, so it shows nothing; write display({name}(…))'


def imported(code):
    "Modules of the project that code imports, also inside functions."
    for node in ast.walk(ast.parse(re.sub(r'(?m)^\s*[%!].*$', '', code))):
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('vismod.'): yield node.module.split('.')[1]
        elif isinstance(node, ast.ImportFrom) and node.module == 'vismod': yield from (name.name for name in node.names)
        elif isinstance(node, ast.Import): yield from (name.name.split('.')[1] for name in node.names if name.name.startswith('vismod.'))


def module_of(notebook):
    "What a notebook exports to; empty when nothing."
    found = re.search(r'(?m)^#\|\s*default_exp\s+(\S+)', '\n'.join(map(source, code_cells(notebook)[:1])))
    return found[1] if found else ''


def check_order(root):
    "what a notebook exports imports only from notebooks before it"
    notebooks = {path.stem: notebook for path, notebook in loadable(root)}
    home = {module_of(notebook): name for name, notebook in notebooks.items() if module_of(notebook)}
    for name, notebook in notebooks.items():
        for cell in filter(exported, code_cells(notebook)):
            try: later = {module for module in imported(source(cell)) if home.get(module, '') >= name}
            except SyntaxError: continue  # its own test will fail
            for module in sorted(later): yield f'{name}, cell {cell.get("id")}: imports {module}, which {home[module]} exports: renumber one, or move what is needed'


def exported(cell):
    return cell.get('cell_type') == 'code' and re.match(r'#\|\s*export', source(cell)) is not None


def check_rooms(root):
    "every notebook stands in the table of rooms on the front page"
    index = root / settings_of(root)['nbs_path'] / settings_of(root).get('readme_nb', 'index.ipynb')
    if not index.is_file(): return
    named = set(re.findall(r'`([^`]+)`', '\n'.join(line for cell in load(index)['cells'] for line in source(cell).splitlines() if line.startswith('| `'))))
    for path in notebooks_in(root):
        if path != index and path.stem not in named: yield f'{path.stem} is missing in the table of rooms of {index.name}'


DOCUMENTS = ('README.md', 'README.zh-CN.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'data/README.md', 'models/**/*.md', 'reports/*/README.md')
LINK = re.compile(r'\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)|(?:src|href)="([^"]+)"')


def tracked(root):
    "Files and folders that git knows; None where this is no repository, as in a copy or an archive."
    if not (root / '.git').exists(): return None
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=root, capture_output=True, text=True)
    files = [Path(name) for name in listed.stdout.split('\0') if name]
    return {*files, *(folder for file in files for folder in file.parents)}


def links(text):
    "Relative targets of a document's links, code left out."
    prose = re.sub(r'(?ms)^\s*```.*?^\s*```|`[^`\n]*`', '', text)
    found = (first or second for first, second in LINK.findall(prose))
    return [target.split('#')[0] for target in found if not re.match(r'[a-z][a-z0-9+.-]*:|#|/', target)]


def check_links(root):
    "relative links of the documents lead to something that git tracks"
    known = tracked(root)
    for path in sorted({path for pattern in DOCUMENTS for path in root.glob(pattern)}):
        if known is not None and path.relative_to(root) not in known: continue  # not part of the project (yet)
        for target in sorted({*links(path.read_text(encoding='utf-8'))}):
            place = Path(os.path.normpath(path.parent.relative_to(root) / target))
            if not (root / place).exists() if known is None else place not in known: yield f'{path.relative_to(root)}: {target} leads to nothing that git tracks'


def check_runs(root):
    "every notebook has a cell that its test runs: nbdev_test is content with none"
    flags = '|'.join(map(re.escape, shlex.split(settings_of(root).get('tst_flags', ''))))
    off = re.compile(rf'(?m)^\s*#\s*\|\s*(eval:\s*false|({flags or "-"}))\s*$')
    for path, notebook in loadable(root):
        if not any(source(cell).strip() and not off.search(source(cell)) for cell in code_cells(notebook)): yield f'{path.name}: its test runs no cell'


CHECKS = {'format': check_format, 'sync': check_sync, 'parameters': check_parameters, 'cells': check_cells, 'runs': check_runs, 'order': check_order, 'rooms': check_rooms, 'links': check_links}


# The measure: how far the notebooks are from how they are meant to be written (CONTRIBUTING.md). It informs.

MEDIAN, P90, PROSE, FOLLOWED, LONG_MODULE, FARTHEST = 5, 20, (0.25, 1 / 3), 0.6, 300, 5


def defined(cell):
    "Names that an exported cell defines; none for one of imports, or of private helpers alone."
    if not exported(cell): return set()
    try: nodes = ast.parse(source(cell)).body
    except SyntaxError: return set()
    return {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}


def followed(cells):
    "For each cell that exports a definition: whether the next code cell shows or tests it."
    code = [cell for cell in cells if cell.get('cell_type') == 'code' and source(cell).strip()]
    return [not exported(after) and any(re.search(rf'\b{name}\b', source(after)) for name in names)
            for cell, after in zip(code, [*code[1:], {}]) if (names := defined(cell))]


def percentile(values, share):
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)] if values else 0


def measure(notebook):
    "Lines of each code cell, numbers of cells, and which definitions are shown at once."
    cells = [cell for cell in notebook.get('cells', []) if source(cell).strip()]
    lines = [len(code_lines(cell)) for cell in code_cells(notebook) if code_lines(cell)]
    return dict(lines=lines, cells=len(cells), prose=sum(cell.get('cell_type') == 'markdown' for cell in cells), followed=followed(cells))


def together(measures):
    "Measures of several notebooks as one."
    rows = [*measures]
    return dict(lines=sum((row['lines'] for row in rows), []), cells=sum(row['cells'] for row in rows), prose=sum(row['prose'] for row in rows),
                followed=sum((row['followed'] for row in rows), []))


def share(part, whole):
    return part / whole if whole else 1.0


def distance(row):
    "How far a notebook is from the targets; 0 when it meets them all."
    prose = share(row['prose'], row['cells'])
    return (max(0, statistics.median(row['lines'] or [0]) / MEDIAN - 1) + max(0, percentile(row['lines'], 90) / P90 - 1)
            + max(0, PROSE[0] - prose, prose - PROSE[1]) / PROSE[0] + max(0, 1 - share(sum(row['followed']), len(row['followed'])) / FOLLOWED))


def told(row):
    return (f'lines of a code cell: median {statistics.median(row["lines"] or [0]):g}, 90% within {percentile(row["lines"], 90):g}, longest {max(row["lines"], default=0)}; '
            f'prose {share(row["prose"], row["cells"]):.0%}; shown or tested at once {share(sum(row["followed"]), len(row["followed"])):.0%} of {len(row["followed"])}')


def long_modules(root):
    "Exported modules over 300 lines of code, the longest first."
    lines = {path.name: sum(bool(line.strip()) and not line.lstrip().startswith('#') for line in path.read_text(encoding='utf-8').splitlines())
             for path in (root / settings_of(root)['lib_path']).rglob('*.py') if not path.name.startswith('_')}
    return sorted(((count, name) for name, count in lines.items() if count > LONG_MODULE), reverse=True)


def tell_style(root):
    "Print the measure of all notebooks, and those farthest from it."
    rows = {path.stem: measure(notebook) for path, notebook in loadable(root)}
    whole, long = together(rows.values()), long_modules(root)
    print(f'style: {len(rows)} notebooks, {len(whole["lines"])} code cells; {told(whole)}')
    print(f'       wanted: median <= {MEDIAN}, 90% within {P90}, longest {LONGEST_CELL}; prose {PROSE[0]:.0%} to {PROSE[1]:.0%}; at once >= {FOLLOWED:.0%}')
    print(f'       {len(long)} modules over {LONG_MODULE} lines of code' + (f', the longest {long[0][1]} with {long[0][0]}' if long else ''))
    for name in sorted(rows, key=lambda name: -distance(rows[name]))[:FARTHEST]:
        if distance(rows[name]): print(f'       far off: {name}: {told(rows[name])}')


# Notebook tests

def environment():
    "IN_TEST must not be inherited: with it nbdev_export does nothing and says nothing."
    threads = os.environ.get('THREADS', '1')
    fixed = dict(OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads, HF_HUB_OFFLINE='1', HF_HUB_DISABLE_TELEMETRY='1',
                 MPLBACKEND='Agg', VISMOD_PROGRESS='0', JUPYTER_PREFER_ENV_PATH='1', TOKENIZERS_PARALLELISM='false', PYTHONFAULTHANDLER='1')
    inherited = {key: value for key, value in os.environ.items() if key != 'IN_TEST'}
    return {**inherited, **fixed, 'PATH': f'{BIN}{os.pathsep}{os.environ.get("PATH", "")}'}


RUNNING, STOPPED = set(), threading.Event()


def kill(process):
    "With everything it started: kernels, workers."
    try: os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError: pass


def run_notebook(root, path):
    "(passed, output) of one notebook. nbdev_test ends with 0 when it found nothing to test, so its word is needed too."
    command = [BIN / 'nbdev_test', '--path', path.relative_to(root), '--do_print']
    process = subprocess.Popen(command, cwd=root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors='replace', stdin=subprocess.DEVNULL, start_new_session=True)
    RUNNING.add(process)
    if STOPPED.is_set(): kill(process)  # it was not there yet when the others were killed
    try: output, _ = process.communicate(timeout=float(os.environ.get('TIMEOUT', 900)))
    except subprocess.TimeoutExpired as late:
        kill(process)
        return False, process.communicate()[0] + f'\nstopped after {late.timeout:.0f} seconds'
    finally: RUNNING.discard(process)
    ran = 'Success.' in output and f'Completed {path}' in output
    return process.returncode == 0 and ran, output if ran or process.returncode else output + '\nnbdev_test did not run this notebook'


# Telling

def report(passed, name, seconds, details=()):
    print(f'{"ok  " if passed else "FAIL"}  {name:<28} {seconds:6.1f} s', flush=True)
    if not passed:
        for line in list(details)[-TAIL:]: print(f'      {line}', flush=True)
    return passed


def run_checks(root):
    for name, check in CHECKS.items():
        start = time.time()
        try: problems = list(check(root))
        except Exception as error: problems = [f'the check itself failed: {type(error).__name__}: {error}']
        yield report(not problems, f'check: {name}', time.time() - start, problems)


def jobs_of(root, chosen):
    "What may run side by side: each notebook alone, but those of `test_in_order` one after the other, because the later use what the earlier made."
    order = shlex.split(settings_of(root).get('test_in_order', ''))
    chain = sorted((path for path in chosen if path.stem in order), key=lambda path: order.index(path.stem))
    return ([chain] if chain else []) + [[path] for path in chosen if path.stem not in order]


def run_notebooks(root, chosen):
    results = SimpleQueue()
    def work(paths):
        for path in paths:
            if STOPPED.is_set(): return
            start = time.time()
            try: passed, output = run_notebook(root, path)
            except Exception as error: passed, output = False, f'{type(error).__name__}: {error}'
            results.put((path, passed, output, time.time() - start))
    pool = ThreadPoolExecutor(max(1, int(os.environ.get('JOBS', 2))))
    try:
        for paths in jobs_of(root, chosen): pool.submit(work, paths)
        for _ in chosen:
            path, passed, output, seconds = results.get()
            yield report(passed, path.stem, seconds, output.splitlines())
    except BaseException:  # Ctrl-C
        STOPPED.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for process in [*RUNNING]: kill(process)
        raise


def run_browser(root):
    "The app and the reports in a headless browser, as one test each; where there is no Chromium, a line says so and nothing is counted."
    for name, script in {'app in a browser': 'test_ui.py', 'pages in a browser': 'test_pages.py'}.items():
        start = time.time()
        try: done = subprocess.run([BIN / 'python', root / '.ci' / script], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
        except subprocess.TimeoutExpired:
            yield report(False, name, time.time() - start, ['stopped after 900 seconds'])
            continue
        lines = done.stdout.splitlines()
        if skipped := [line for line in lines if line.startswith('SKIPPED')]: print(skipped[0], flush=True)
        else: yield report(done.returncode == 0, name, time.time() - start, lines)


def choose(root, names):
    "The notebooks asked for by the start of their names, and the names that match none."
    every = notebooks_in(root)
    unknown = [name for name in names if not any(path.stem.startswith(name) for path in every)]
    return [path for path in every if not names or path.stem.startswith(tuple(names))], unknown


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', help='starts of notebook names (default: all)')
    parser.add_argument('--checks', action='store_true', help='do not run the notebooks')
    parser.add_argument('--root', type=Path, default=Path(__file__).resolve().parent.parent, help='project to test')
    options = parser.parse_args()
    root = options.root.resolve()
    results = list(run_checks(root))
    if not options.checks:
        chosen, unknown = choose(root, options.names)
        results += [report(False, name, 0, ['there is no such notebook']) for name in unknown]
        ran = list(run_notebooks(root, chosen))
        complete = bool(chosen) and len(ran) == len(chosen)
        results += ran + [report(complete, 'check: all were run', 0, [f'{len(ran)} of {len(chosen)} notebooks ran'])]
        if not options.names: results += run_browser(root)
    if not options.names:
        tell_style(root)
    print(f'{sum(results)} passed, {len(results) - sum(results)} failed', flush=True)
    return 1 if not all(results) else 0


if __name__ == '__main__':
    for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.default_int_handler)  # in the background SIGINT is ignored, also by all that is tested
    try: sys.exit(main())
    except KeyboardInterrupt: sys.exit('interrupted')
