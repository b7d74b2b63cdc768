#!/usr/bin/env python
"""The app and JupyterLab in a real browser: upload, run, look, choose, download on every tab, everything measured against the functions themselves.

    .venv/bin/python .ci/test_ui.py              with the networks in models/restoration (random ones where there are none) and models/tiny
    .venv/bin/python .ci/test_ui.py --random     always with random restoration networks
    .venv/bin/python .ci/test_ui.py --tab Pathways --screenshot path.png    one tab; and a picture of it at its best, with an edit at full length
    .venv/bin/python .ci/test_ui.py --tab JupyterLab                        only the notebook that is opened and run in JupyterLab

Needs a Chromium (Debian: apt install chromium; CHROMIUM=/path names another) and playwright (pip install playwright; its
own browsers are not needed). Without one of them nothing is tested, visibly. Screenshots go to runs/test_ui.
The last line is "N passed, M failed".
"""
import argparse, io, json, os, re, shutil, signal, subprocess, sys, tempfile, time, traceback, zipfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
SHOTS = ROOT / 'runs/test_ui'
PATIENCE = float(os.environ.get('PATIENCE', 60))  # seconds for one thing to happen in the browser
LIMIT = int(os.environ.get('TIMEOUT', 600))  # seconds for everything
THREADS = {name: os.environ.get(name, '1') for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS')}  # threads that wait for one another on a busy machine take minutes
os.environ.update(THREADS)


def skip(reason):
    print(f'SKIPPED: the app and JupyterLab were not tested in a browser: {reason}\n0 passed, 0 failed, 1 skipped', flush=True)
    sys.exit(0)


def find_chromium():
    named = os.environ.get('CHROMIUM')
    if named and not shutil.which(named): sys.exit(f'CHROMIUM is {named}, which is no program')
    return named or next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)


# The servers under test

@contextmanager
def started(command, pattern, name, **options):
    "Start a server; yields a function that waits until the server has said `pattern`, and stops it in the end."
    environment = {key: value for key, value in os.environ.items() if key != 'IN_TEST'} | THREADS | options.pop('env', {})
    with tempfile.TemporaryFile('w+') as log:
        process, start = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options), time.time()
        def said():
            log.seek(0)
            return log.read()
        def address():
            while not (found := re.search(pattern, said())):
                if process.poll() is not None or time.time() - start > max(240, 4 * PATIENCE): raise RuntimeError(f'{name} did not start:\n{said()[-2000:]}')
                time.sleep(.2)
            return found[0]
        try: yield address
        finally:
            process.terminate()
            try: process.wait(20)
            except subprocess.TimeoutExpired: process.kill()


def serving(models, adapters):
    "The app as a user starts it."
    command = [sys.executable, '-u', '-m', 'vismod.app', '--port', '0', '--device', 'cpu', '--models', str(models), '--adapters', str(adapters)]
    return started(command, r'http://127\.0\.0\.1:\d+/', 'the app')


QUIET_LAB = {'@jupyterlab/apputils-extension:notification': {'fetchNews': 'false', 'checkForUpdates': False, 'doNotDisturbMode': True},
             '@jupyterlab/notebook-extension:tracker': {'windowingMode': 'none'}}  # no news from elsewhere; all cells in the page


@contextmanager
def serving_lab(folder, notebook):
    "JupyterLab as `make lab` starts it, on a copy of one notebook and with settings of its own."
    (folder / 'settings').mkdir(parents=True)
    (folder / 'settings/overrides.json').write_text(json.dumps(QUIET_LAB))
    shutil.copy(ROOT / f'nbs/{notebook}.ipynb', folder)
    places = {f'JUPYTER_{kind}_DIR': str(folder / kind.lower()) for kind in ('CONFIG', 'DATA', 'RUNTIME')}
    command = [str(Path(sys.executable).parent / 'jupyter'), 'lab', '--config=.ci/jupyter_server_config.py', '--no-browser', '--ip=127.0.0.1', '--port=0',
               f'--ServerApp.root_dir={folder}', f'--LabApp.app_settings_dir={folder / "settings"}', *(['--allow-root'] if os.geteuid() == 0 else [])]
    quiet = dict(MPLBACKEND='', JUPYTER_PREFER_ENV_PATH='1', IPYTHONDIR=str(folder / 'ipython'), HF_HUB_OFFLINE='1')
    with started(command, r'http://127\.0\.0\.1:\d+/lab\?token=\w+', 'JupyterLab', env=places | quiet) as address: yield address


def make_networks(folder, random):
    "Where the networks are: the shipped ones, or random ones in `folder`."
    from torch import nn
    from vismod.core import seed_everything
    from vismod.restorer import build_restorer, save_restorer
    shipped = ROOT / 'models/restoration'
    if not random and list(shipped.glob('*.safetensors')): return shipped
    for size in ('s', 'm'):
        seed_everything(0)
        net = build_restorer(size)
        nn.init.normal_(net.tail.weight, std=.02)
        save_restorer(net, folder / f'networks/{size}.safetensors')
    return folder / 'networks'


# A hand on the page

class Page:
    "What the checks do with the page, in the words of the page."
    def __init__(self, page, folder): self.page, self.folder = page, folder

    def until(self, what, true, patience=PATIENCE):
        "Wait until `true()` is truthy, and return it."
        end = time.time() + patience
        while time.time() < end:
            if value := true(): return value
            self.page.wait_for_timeout(100)
        raise AssertionError(f'waited {patience:g} s in vain for: {what}')

    def shot(self, name): self.page.screenshot(path=SHOTS / f'{name}.png', full_page=True)

    def open(self, tab): self.page.get_by_role('tab', name=tab).click()

    def upload(self, *files, where='#files'):
        clear = self.page.locator(f'{where} button[aria-label="Clear"]')
        if clear.count():
            clear.first.click()
            self.page.wait_for_timeout(500)
        self.page.locator(f'{where} input[type=file]').set_input_files([str(file) for file in files])
        for file in files: self.page.locator(where).get_by_text(Path(file).stem).first.wait_for()

    def choose(self, part, label): self.page.locator(part).get_by_label(label, exact=True).check()

    def number(self, part, value):
        box = self.page.locator(f'{part} input[type=number]')
        box.fill(str(value))
        box.press('Tab')

    def more(self): self.page.get_by_text('More', exact=True).locator('visible=true').click()

    def text(self, part): return self.page.locator(part).inner_text()

    def select(self, part, label):
        "Choose from a list that folds out."
        self.page.locator(f'{part} input').click()
        self.page.get_by_role('option', name=label, exact=True).click()

    def start(self): self.page.locator('#start').click()

    def headline(self): return self.text('#headline .headline')

    def pictures(self, part):
        "The pictures in a part of the page, as arrays."
        import numpy as np
        from PIL import Image
        files = [self.page.request.get(image.get_attribute('src'), max_retries=3) for image in self.page.locator(f'{part} img').all()]
        assert all(file.headers['content-type'] == 'image/png' for file in files), 'a picture is not PNG'
        return [np.array(Image.open(io.BytesIO(file.body()))) for file in files]

    def shows(self, *pictures, part='#compare'):
        "Whether a part of the page shows exactly these pixels."
        from numpy import array_equal
        there = self.pictures(part)
        return len(there) == len(pictures) and all(map(array_equal, there, pictures))

    def download(self, button):
        with self.page.expect_download() as waiting: self.page.locator(button).click()
        path = self.folder / 'downloads' / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    def message(self): return ' '.join(self.page.locator('[data-testid="toast-body"], .toast-body').all_inner_texts())


# The checks of the tab Predict, in the order in which a user would do these things

def check_predict_opens(ui, world):
    "Predict: the page opens with examples; a click on one brings its sentence, its ghost, and what is known of its end"
    assert ui.page.title() == 'vismod', ui.page.title()
    ui.until('three examples', lambda: ui.page.locator('#predict-examples img').count() == 3)
    ui.shot('predict_1_open')
    ui.page.locator('#predict-examples button').nth(1).click()
    expected = world.ghosted()
    ui.until('last frame and ghost', lambda: ui.shows(expected['last'], expected['ghost'], part='#predict-compare'))
    ui.until('the tiles', lambda: ui.shows(*expected.values(), part='#predict-tiles'))
    assert ui.page.locator('#predict-prompt textarea').input_value() == world.sentence
    assert 'seen up to frame 19 of 31' in ui.text('#predict-headline'), ui.text('#predict-headline')
    ui.shot('predict_2_ghost')


def check_predict_mistakes(ui, world):
    "Predict: no sentence, a broken film, and too few frames are answered with a sentence"
    ui.page.locator('#predict-prompt textarea').fill('')
    ui.page.locator('#predict-start').click()
    ui.until('the sentence', lambda: 'say what happens' in ui.message())
    ui.upload(world.removal_files['broken'], where='#predict-file')
    ui.until('the reason', lambda: 'broken.mp4: cannot read this video' in ui.text('#predict-headline'))
    ui.upload(world.clip_film, where='#predict-file')
    ui.until('the film', lambda: 'frame 19' in ui.text('#predict-headline'))
    ui.number('#predict-now', 3)
    ui.until('the reason', lambda: 'needs 11 frames, the clip has 4' in ui.text('#predict-headline'))
    ui.number('#predict-now', 19)
    ui.until('the ghost', lambda: ui.shows(world.ghosted()['last'], world.ghosted()['ghost'], part='#predict-compare'))


def check_predict_runs(ui, world):
    "Predict: a run shows exactly what predict() computes, the rivals and their distance from the truth"
    ui.page.locator('#predict-prompt textarea').fill(world.sentence)
    ui.page.locator('#predict-start').click()
    guessed = world.guessed()
    ui.until('the prediction', lambda: ui.shows(guessed.pictures['last'], guessed.pictures['prediction'], part='#predict-compare'))
    ui.until('all guesses', lambda: ui.shows(*guessed.pictures.values(), part='#predict-tiles'))
    values = guessed.scores.set_index('method').psnr
    assert f"{values['last frame seen']:.1f} → {values['prediction']:.1f} dB" in ui.text('#predict-headline'), ui.text('#predict-headline')
    assert values['prediction'] > max(values['last frame seen'], values['the base alone']) + 3, values
    assert 'the base alone' in ui.text('#predict-details') and 'seed 0' in ui.text('#predict-details'), ui.text('#predict-details')
    ui.page.wait_for_timeout(500)
    ui.shot('predict_3_run')


def check_predict_compares(ui, world):
    "Predict: a click on a tile puts it beside the prediction"
    for number, name in ((4, 'truth'), (2, 'alone')):
        ui.page.locator('#predict-tiles button').nth(number).click()
        ui.until(name, lambda: ui.shows(world.guessed().pictures[name], world.guessed().pictures['prediction'], part='#predict-compare'))
    ui.shot('predict_4_compare')


def check_predict_downloads(ui, world):
    "Predict: PNG and ZIP hold exactly these pixels, the scores and the settings"
    import numpy as np
    from PIL import Image
    path = ui.download('#predict-download')
    assert path.read_bytes()[:8] == b'\x89PNG\r\n\x1a\n'
    assert np.array_equal(np.array(Image.open(path)), world.guessed().pictures['prediction']), 'the file differs from the array'
    with zipfile.ZipFile(ui.download('#predict-download-all')) as file:
        assert np.array_equal(np.array(Image.open(file.open('truth.png'))), world.guessed().pictures['truth'])
        assert json.loads(file.read('prediction.json'))['seen_up_to_frame'] == 19
        assert b'last frame seen' in file.read('scores.csv')


def check_predict_settings(ui, world):
    "Predict: another moment, adapter, ghost and seed reach the computation"
    ui.more()
    ui.number('#predict-now', 25)
    ui.until('the later ghost', lambda: ui.shows(world.ghosted(25)['last'], world.ghosted(25)['ghost'], part='#predict-compare'))
    ui.select('#predict-adapter', 'No adapter · the tiny base alone')
    ui.select('#predict-ghost', 'uniform: the plain mean of all frames')
    ui.number('#predict-seed', 3)
    ui.page.locator('#predict-start').click()
    pictures = world.guessed(25, 'base:tiny', 3, 'uniform').pictures
    ui.until('that prediction', lambda: ui.shows(pictures['last'], pictures['prediction'], part='#predict-compare'))
    ui.until('four tiles', lambda: ui.shows(*pictures.values(), part='#predict-tiles'))
    ui.shot('predict_5_more')


def check_predict_cancels(ui, world):
    "Predict: Cancel stops between two steps and leaves the page usable, with an adapter that was trained here"
    ui.select('#predict-ghost', 'as the adapter learned it')
    ui.select('#predict-adapter', 'mine · trained here')
    ui.number('#predict-seed', 0)
    ui.number('#predict-now', 19)
    ui.until('the ghost', lambda: ui.shows(world.ghosted()['last'], world.ghosted()['ghost'], part='#predict-compare'))
    ui.number('#predict-steps', 200)
    ui.page.locator('#predict-start').click()
    ui.until('progress', lambda: 'predicting' in ui.text('#predict-compare'))
    ui.page.locator('#predict-stop').click()
    ui.until('the word that it was cancelled', lambda: 'Cancelled.' in ui.message())
    assert 'dB' not in ui.text('#predict-headline'), ui.text('#predict-headline')
    ui.number('#predict-steps', 0)
    ui.page.locator('#predict-start').click()
    ui.until('the prediction', lambda: ui.shows(world.guessed().pictures['last'], world.guessed().pictures['prediction'], part='#predict-compare'))


def check_predict_narrow(ui, world):
    "Predict: a narrow window shows everything, one below the other"
    narrow(ui, 'predict_6_narrow')


# The checks of the tab Pathways, in the order in which a user would do these things

def check_path_opens(ui, world):
    "Pathways: the page opens with examples; a click on one brings picture and prompt"
    ui.open('Pathways')
    ui.until('five examples', lambda: ui.page.locator('#path-examples img').count() == 5)
    ui.shot('path_1_open')
    ui.page.locator('#path-examples button').nth(1).click()
    ui.until('its picture', lambda: ui.shows(world.example, part='#path-frame'))
    prompt = ui.page.locator('#path-prompt textarea').input_value()
    assert prompt == world.examples[1].instruction, prompt


def check_path_mistakes(ui, world):
    "Pathways: no wish, and a broken file, are answered with a sentence"
    ui.page.locator('#path-prompt textarea').fill('')
    ui.page.locator('#path-start').click()
    ui.until('the sentence', lambda: 'say what shall change' in ui.message())
    ui.upload(world.files['broken'], where='#path-file')
    ui.until('the reason', lambda: 'broken.png: cannot read this image' in ui.text('#path-headline'))
    ui.upload(world.files['ball'], where='#path-file')
    ui.until('the upload', lambda: ui.shows(world.ball, part='#path-frame'))


def run_path(ui, **settings):
    "Ask for a path; settings: element -> number."
    for name, value in settings.items(): ui.number(f'#path-{name}', value)
    ui.page.locator('#path-start').click()


def check_path_runs(ui, world):
    "Pathways: a run shows exactly the frame that the pipeline chooses, its score and its seed"
    ui.page.locator('#path-prompt textarea').fill(world.wish)
    ui.more()
    run_path(ui, seed=7, denoise=4)
    result = world.path()
    ui.until('the path', lambda: ui.shows(result.best, part='#path-frame'))
    assert f'{result.scores[result.chosen]:.3f}' in ui.text('#path-headline'), ui.text('#path-headline')
    assert 'Seed 7.' in ui.text('#path-details'), ui.text('#path-details')
    ui.shot('path_2_run')


def check_path_scrubs(ui, world):
    "Pathways: the scrubber shows every frame, and the curve follows"
    for index in (0, 16, world.other):
        ui.number('#path-scrubber', index)
        ui.until(f'frame {index}', lambda: ui.shows(world.path().frames[index], part='#path-frame'))
        ui.until('the curve', lambda: f'frame {index}: {world.path().scores[index]:.3f}' in ui.text('#path-curve'))
    ui.shot('path_3_scrub')


def check_path_overrides(ui, world):
    "Pathways: a frame taken by hand is the result; PNG and ZIP hold exactly its pixels and say who chose"
    import numpy as np
    from PIL import Image
    ui.page.locator('#path-take').click()
    ui.until('the word that it was taken', lambda: f'frame {world.other}, taken by hand' in ui.text('#path-details'))
    path = ui.download('#path-download')
    assert path.read_bytes()[:8] == b'\x89PNG\r\n\x1a\n'
    assert np.array_equal(np.array(Image.open(path)), world.path().frames[world.other]), 'the file differs from the array'
    with zipfile.ZipFile(ui.download('#path-download-all')) as file:
        assert np.array_equal(np.array(Image.open(file.open('final_frame.png'))), world.path().frames[world.other])
        assert json.loads(file.read('metrics.json'))['selection']['source'] == 'user'
        assert {'path_00.png', 'path.mp4'} < set(file.namelist()), file.namelist()
    ui.shot('path_4_taken')


def check_path_steps(ui, world):
    "Pathways: step by step, with its weights, is what the pipeline does with them"
    ui.choose('#path-mode', 'Step by step')
    run_path(ui, steps=2, candidates=1, sem=1.5, step=0, id=0.05)
    result = world.path(iterative=True)
    ui.until('the path', lambda: 'least energy' in ui.text('#path-details') and ui.shows(result.best, part='#path-frame'))
    ui.shot('path_5_steps')


def check_path_cancels(ui, world):
    "Pathways: Cancel stops between two generations and leaves what was there"
    ui.number('#path-denoise', 40)  # long enough to be cancelled
    run_path(ui, steps=12, candidates=4)
    ui.until('progress', lambda: ' of 12' in ui.text('#path-frame'))
    ui.page.locator('#path-stop').click()
    ui.until('the word that it was cancelled', lambda: 'Cancelled.' in ui.message())
    ui.until('the old result', lambda: ui.shows(world.path(iterative=True).best, part='#path-frame'))


def check_path_narrow(ui, world):
    "Pathways: a narrow window shows everything, one below the other"
    narrow(ui, 'path_6_narrow')


def picture_of_path(ui, world, file):
    "an example at full length, for the README"
    ui.choose('#path-mode', 'One film, best frame')
    ui.page.locator('#path-examples button').nth(0).click()
    ui.until('its prompt', lambda: ui.page.locator('#path-prompt textarea').input_value() == world.examples[0].instruction)
    ui.number('#path-seed', 1)
    ui.number('#path-denoise', 50)
    ui.more()  # tidied away
    ui.page.locator('#path-start').click()
    ui.until('the path', lambda: 'Seed 1.' in ui.text('#path-details'), LIMIT)
    ui.page.set_viewport_size(dict(width=1400, height=1060))  # down to the numbers
    ui.page.mouse.move(0, 0)
    ui.page.evaluate('window.scrollTo(0, 0)')
    ui.until('earlier messages to go', lambda: not ui.message())
    ui.page.screenshot(path=file)


# The checks of the tab Guided edit, in the order in which a user would do these things

def draw(ui, **settings):
    "Ask for a film; settings: element -> number."
    for name, value in settings.items(): ui.number(f'#edit-{name}', value)
    ui.page.locator('#edit-start').click()


def check_edit_opens(ui, world):
    "Guided edit: the tab opens with examples; a click on one shows its edges beside the true film"
    ui.open('Guided edit')
    ui.until('three examples', lambda: ui.page.locator('#edit-examples img').count() == 3)
    ui.shot('edit_1_open')
    ui.number('#edit-frames', 4)
    ui.page.locator('#edit-examples button').nth(0).click()
    film = world.drawn()
    ui.until('film and edges', lambda: ui.shows(film.picture('truth', 0), film.picture('edges', 0), part='#edit-compare'))
    ui.number('#edit-scrubber', 3)
    ui.until('frame 3', lambda: ui.shows(film.picture('truth', 3), film.picture('edges', 3), part='#edit-compare'))
    ui.shot('edit_2_edges')


def check_edit_mistakes(ui, world):
    "Guided edit: a broken film, and edges without a first frame, are answered with a sentence"
    ui.upload(world.removal_files['broken'], where='#edit-film')
    ui.until('the reason', lambda: 'broken.mp4: cannot read this video' in ui.text('#edit-headline'))
    ui.choose('#edit-kind', 'A picture and a film of edges')
    ui.page.locator('#edit-start').click()
    ui.until('the sentence', lambda: 'there is no first frame yet' in ui.message())


def check_edit_draws(ui, world):
    "Guided edit: a run shows frame after frame exactly what the pipeline draws, with and without guidance"
    ui.choose('#edit-kind', 'A film, for its edges')
    ui.page.locator('#edit-examples button').nth(0).click()
    film = world.drawn()
    ui.until('film and edges', lambda: ui.shows(film.picture('truth', 0), film.picture('edges', 0), part='#edit-compare'))
    ui.more()
    draw(ui, steps=4)
    ui.until('the first of the frames', lambda: 'edge error in frame 1:' in ui.text('#edit-curve'))
    ui.until('the last frame', lambda: ui.shows(film.picture('unguided', 3), film.picture('guided', 3), part='#edit-compare'))
    ui.until('the numbers', lambda: 'Guidance: edge 1, gram 0.5; 4 steps' in ui.text('#edit-details'))
    old, new = (values.mean() for values in film.errors().values())
    assert f'{old:.2f} → {new:.2f}' in ui.text('#edit-headline') and new < old, ui.text('#edit-headline')
    ui.until('the films side by side', lambda: ui.page.locator('#edit-video video').evaluate('video => video.videoWidth') > 700)
    ui.page.wait_for_timeout(500)
    ui.shot('edit_3_drawn')


def check_edit_scrubs(ui, world):
    "Guided edit: the scrubber shows every frame, beside whatever is chosen"
    film = world.drawn()
    ui.choose('#edit-rival', 'true film')
    ui.until('the true film', lambda: ui.shows(film.picture('truth', 3), film.picture('guided', 3), part='#edit-compare'))
    for number in (0, 2):
        ui.number('#edit-scrubber', number)
        ui.until(f'frame {number}', lambda: ui.shows(film.picture('truth', number), film.picture('guided', number), part='#edit-compare'))
    assert f'edge error in frame 2: unguided {film.errors()["unguided"][1]:.2f}' in ui.text('#edit-curve'), ui.text('#edit-curve')
    ui.shot('edit_4_scrub')


def check_edit_downloads(ui, world):
    "Guided edit: the ZIP holds exactly the frames of both films and their scores, the video all frames as H.264"
    import av, numpy as np
    from PIL import Image
    path = ui.download('#edit-download')
    with av.open(str(path)) as video: assert (video.streams.video[0].codec.name, sum(1 for _ in video.decode(video=0))) == ('h264', 4)
    with zipfile.ZipFile(ui.download('#edit-download-all')) as file:
        for name in ('guided', 'unguided'):
            assert np.array_equal(np.array(Image.open(file.open(f'{name}/00003.png'))), world.drawn().picture(name, 3)), 'the file differs from the array'
        assert len(file.read('metrics.csv').splitlines()) == 7


def check_edit_given(ui, world):
    "Guided edit: a picture and a film of edges, no guidance, another seed: all of it reaches the computation"
    ui.choose('#edit-kind', 'A picture and a film of edges')
    ui.upload(world.edge_film, where='#edit-film')
    ui.upload(world.edge_first, where='#edit-first')
    film = world.drawn('given')
    ui.until('picture and edges', lambda: ui.shows(film.picture('first', 0), film.picture('edges', 0), part='#edit-compare'))
    draw(ui, edge=0, gram=0, seed=5)
    ui.until('the last frame', lambda: ui.shows(film.picture('first', 3), film.picture('unguided', 3), part='#edit-compare') and 'Guidance: none' in ui.text('#edit-details'))
    ui.shot('edit_5_given')


def check_edit_cancels(ui, world):
    "Guided edit: Cancel stops between two steps; the frames that are done stay, as a shorter film"
    draw(ui, frames=8, steps=60, edge=1)
    ui.until('progress in frame 2', lambda: 'frame 2 of' in ui.text('#edit-curve'), 2 * PATIENCE)
    ui.page.locator('#edit-stop').click()
    ui.until('the word that it was cancelled', lambda: 'Cancelled.' in ui.message())
    ui.until('the shorter film', lambda: ui.page.locator('#edit-scrubber input[type=number]').get_attribute('max') == '1' and 'Guidance: edge 1;' in ui.text('#edit-details'))
    with zipfile.ZipFile(ui.download('#edit-download-all')) as file: assert 'guided/00001.png' in file.namelist() and 'guided/00002.png' not in file.namelist(), file.namelist()


def check_edit_narrow(ui, world):
    "Guided edit: a narrow window shows everything, one below the other"
    narrow(ui, 'edit_6_narrow')


# The checks of the tab Remove, in the order in which a user would do these things

def check_removal_opens(ui, world):
    "Remove: the tab opens with examples; a click on one lays its mask over the film"
    ui.open('Remove')
    ui.until('two examples', lambda: ui.page.locator('#remove-examples img').count() == 2)
    ui.shot('remove_1_open')
    ui.page.locator('#remove-examples button').nth(1).click()
    ui.until('film and mask', lambda: ui.shows(*world.under_mask(0), part='#remove-compare'))
    ui.until('the film that plays', lambda: ui.page.locator('#remove-video video').evaluate('video => video.videoWidth') == 640)
    ui.shot('remove_2_mask')


def check_removal_mistakes(ui, world):
    "Remove: no mask, a broken film, and one that is too long are answered with a sentence"
    ui.page.locator('#remove-mask button[aria-label="Clear"]').first.click()
    ui.until('the film alone', lambda: ui.shows(*[world.film.frames[0]] * 2, part='#remove-compare'))
    ui.page.locator('#remove-start').click()
    ui.until('the sentence', lambda: 'there is no mask yet' in ui.message())
    ui.upload(world.removal_files['broken'], where='#remove-film')
    ui.until('the reason', lambda: 'broken.mp4: cannot read this video' in ui.text('#remove-headline'))
    ui.upload(world.removal_files['endless'], where='#remove-film')
    ui.until('the limit', lambda: 'endless.mp4 has more than 300 frames' in ui.text('#remove-headline'))


def check_removal_runs(ui, world):
    "Remove: a run shows exactly what the pass makes, on every frame"
    ui.page.locator('#remove-examples button').nth(1).click()
    ui.until('film and mask', lambda: ui.shows(*world.under_mask(0), part='#remove-compare'))
    ui.page.locator('#remove-start').click()
    ui.until('the result', lambda: ui.shows(world.film.frames[0], world.cleared().result[0], part='#remove-compare'))
    for index in (7, 23):
        ui.number('#remove-scrubber', index)
        ui.until(f'frame {index}', lambda: ui.shows(world.film.frames[index], world.cleared().result[index], part='#remove-compare'))
    ui.until('the result that plays', lambda: ui.page.locator('#remove-video video').evaluate('video => video.videoWidth') == 64)
    assert 'guessed by the prior' in ui.text('#remove-notes'), ui.text('#remove-notes')
    ui.shot('remove_3_result')


def check_removal_downloads(ui, world):
    "Remove: the ZIP holds exactly the frames of the result, the video all of them as H.264"
    import av, numpy as np
    from PIL import Image
    path = ui.download('#remove-download')
    with av.open(str(path)) as video: assert (video.streams.video[0].codec.name, sum(1 for _ in video.decode(video=0))) == ('h264', 24)
    with zipfile.ZipFile(ui.download('#remove-download-all')) as file:
        assert len(file.namelist()) == 24, file.namelist()
        assert np.array_equal(np.array(Image.open(file.open('00011.png'))), world.cleared().result[11]), 'the file differs from the array'


def check_removal_other_prior(ui, world):
    "Remove: another fill and another growth reach the computation"
    ui.choose('#remove-prior', 'Inpaint · each frame by itself')
    ui.number('#remove-grow', 1)
    ui.number('#remove-scrubber', 0)
    ui.page.locator('#remove-start').click()
    ui.until('that result', lambda: ui.shows(world.film.frames[0], world.cleared(prior='inpaint', grow=1).result[0], part='#remove-compare'))
    ui.choose('#remove-prior', 'Flow · what other frames show')


def check_removal_refines(ui, world):
    "Remove: the refiner and its words reach the computation (skipped without models/tiny/diffueraser)"
    if not world.refiner: return print('SKIPPED: there is no models/tiny/diffueraser', flush=True)
    ui.choose('#remove-refiner', 'DiffuEraser, tiny')
    ui.page.locator('#remove-use-text input').check()
    ui.page.locator('#remove-prompt textarea').fill('a red cup on a wood table')
    ui.page.locator('#remove-start').click()
    ui.until('the refined result', lambda: ui.shows(world.film.frames[0], world.cleared(grow=1, refiner='diffueraser', words='a red cup on a wood table').result[0], part='#remove-compare'))
    ui.shot('remove_4_refined')
    ui.choose('#remove-refiner', 'None')


def scribble(ui, *points):
    "Draw on the pad with the mouse; points are fractions of its sides."
    box = ui.page.locator('#remove-pad .over').bounding_box()
    for number, (x, y) in enumerate(points):
        ui.page.mouse.move(box['x'] + x * box['width'], box['y'] + y * box['height'], steps=3)
        if not number: ui.page.mouse.down()
    ui.page.mouse.up()


def check_removal_paints(ui, world):
    "Remove: an outline painted in one frame is filled, tracked as track_mask does, and laid over the film"
    ui.choose('#remove-mode', 'Paint it')
    canvas = ui.page.locator('#remove-pad .over')
    ui.until('the pad', lambda: canvas.evaluate('canvas => canvas.width') == 640)
    canvas.scroll_into_view_if_needed()
    scribble(ui, (.5, .06), (.33, .36), (.62, .36), (.5, .06))
    paint = canvas.evaluate('canvas => canvas.toDataURL()')
    ui.page.locator('#remove-track').click()
    ui.until('the tracked mask', lambda: ui.shows(*world.under_paint(paint, 0), part='#remove-compare'))
    ui.number('#remove-scrubber', 12)
    ui.until('the tracked mask in frame 12', lambda: ui.shows(*world.under_paint(paint, 12), part='#remove-compare'))
    ui.shot('remove_5_tracked')


def check_removal_paints_again(ui, world):
    "Remove: another frame comes with its tracked mask; rubbing out and clearing work; the painted mask removes"
    ui.number('#remove-paint-frame', 12)
    covered = lambda: ui.page.locator('#remove-pad .over').evaluate("canvas => canvas.getContext('2d').getImageData(0, 0, 640, 640).data.filter((value, k) => k % 4 == 3 && value > 127).length")
    expected = 100 * int(world.painted.known_mask(12).sum())
    ui.until('the tracked mask on the pad', lambda: covered() == expected)
    ui.page.locator('#remove-pad .rub').click()
    scribble(ui, (.05, .25), (.95, .25))
    assert covered() < expected, 'nothing was rubbed out'
    ui.page.locator('#remove-pad .clear').click()
    assert covered() == 0, 'the pad is not clear'
    ui.page.locator('#remove-start').click()
    ui.until('the result', lambda: 'took' in ui.text('#remove-headline') and ui.shows(world.film.frames[12], world.cleared_paint().result[12], part='#remove-compare'))
    ui.shot('remove_6_painted')


def check_removal_cancels(ui, world):
    "Remove: Cancel stops a long run and leaves the page usable"
    ui.choose('#remove-mode', 'Mask from a file')
    ui.upload(world.removal_files['long'], where='#remove-film')
    ui.upload(world.removal_files['mask'], where='#remove-mask')
    ui.until('the mask over it', lambda: 'long.mp4' in ui.text('#remove-headline') and ui.page.locator('#remove-video video').count() and 'mask' in ui.text('#remove-compare'), 2 * PATIENCE)
    ui.page.locator('#remove-start').click()
    ui.until('progress', lambda: 'prior: flow' in ui.page.locator('#remove-compare').inner_text())
    ui.page.locator('#remove-stop').click()
    ui.until('the word that it was cancelled', lambda: 'Cancelled' in ui.message())
    assert 'took' not in ui.text('#remove-headline'), ui.text('#remove-headline')


def check_removal_narrow(ui, world):
    "Remove: a narrow window shows everything, one below the other"
    narrow(ui, 'remove_7_narrow')


# The checks of the tab Restore, in the order in which a user would do these things

def check_opens(ui, world):
    "the tab opens with its samples"
    ui.open('Restore')
    ui.until('four samples', lambda: ui.page.locator('#samples img').count() == 4)
    box, last = ui.page.locator('#samples').bounding_box(), ui.page.locator('#samples img').last.bounding_box()
    assert last['x'] + last['width'] <= box['x'] + box['width'] + 1, 'the last sample is cut off'
    ui.shot('1_open')


def check_preview(ui, world):
    "an upload is shown; with degradation, clean against degraded, as the controls are moved"
    ui.upload(world.files['photo'])
    ui.until('the upload', lambda: ui.shows(world.photo, world.photo))
    ui.choose('#mode', 'Degrade first')
    ui.number('#sigma', 35)
    ui.number('#quality', 20)
    ui.choose('#colour', 'full (4:4:4)')
    ui.until('the degraded picture', lambda: ui.shows(world.photo, world.degraded))
    ui.shot('2_preview')


def check_restores(ui, world):
    "Restore shows exactly what restore() computes, and the metrics"
    ui.start()
    ui.until('the restored picture', lambda: ui.shows(world.degraded, world.restored(1)))
    from vismod.metrics import psnr, ssim
    text = ui.headline()
    for number in (f'{psnr(world.degraded, world.photo):.2f}', f'{psnr(world.restored(1), world.photo):.2f}', f'{ssim(world.restored(1), world.photo):.3f}'):
        assert number in text, f'{number} is missing in: {text}'
    ui.shot('3_restored')


def check_slider(ui, world):
    "the before/after handle follows the mouse"
    clip = lambda: ui.page.locator('#compare img').nth(1).evaluate('element => element.style.clipPath')
    box, before = ui.page.locator('#compare img').first.bounding_box(), clip()
    middle = box['y'] + box['height'] / 2
    ui.page.mouse.move(box['x'] + box['width'] / 2, middle)
    ui.page.mouse.down()
    ui.page.mouse.move(box['x'] + box['width'] / 4, middle, steps=8)
    ui.page.mouse.up()
    ui.until('the handle at the left', lambda: clip() != before)
    share = float(re.search(r'([\d.]+)%\)$', clip())[1])
    assert 15 < share < 35, f'dragged to 25 %, the handle is at {share} %'
    ui.shot('4_slider')


def check_strength(ui, world):
    "another strength, and the downloaded PNG holds exactly those pixels"
    import numpy as np
    from PIL import Image
    ui.number('#strength', 0.6)
    ui.until('the weaker result', lambda: ui.shows(world.degraded, world.restored(.6)))
    path = ui.download('#download')
    assert path.name == 'photo_restored.png', path.name
    assert path.read_bytes()[:8] == b'\x89PNG\r\n\x1a\n'
    assert np.array_equal(np.array(Image.open(path)), world.restored(.6)), 'the file differs from the array'
    ui.number('#strength', 1.5)
    ui.until('the exaggerated result', lambda: ui.shows(world.degraded, world.restored(1.5)))
    ui.number('#strength', 1)
    ui.until('the full result', lambda: ui.shows(world.degraded, world.restored(1)))


def check_other_settings(ui, world):
    "the other network, a told noise level and the self-ensemble reach the computation"
    ui.more()
    ui.choose('#network', 'm · thorough')
    ui.page.locator('#tell input').check()
    ui.number('#told', 30)
    ui.page.locator('#ensemble input').check()
    ui.start()
    expected = world.restored(1, 'm', sigma=30, self_ensemble=True)
    ui.until('that result', lambda: ui.shows(world.degraded, expected))
    ui.shot('5_more')
    ui.page.locator('#tell input').uncheck()
    ui.page.locator('#ensemble input').uncheck()
    ui.choose('#network', 's · quick')


def check_several(ui, world):
    "several pictures, one of them broken: gallery, table with the reason, all in a ZIP"
    import numpy as np
    from PIL import Image
    ui.upload(world.files['photo'], world.files['broken'], world.files['other'])
    ui.start()
    ui.until('two thumbnails', lambda: ui.page.locator('#gallery img').count() == 2)
    ui.until('the reason in the table', lambda: 'cannot read this image' in ui.page.locator('#table').inner_text())
    ui.page.locator('#gallery img').nth(1).click()
    ui.until('the second picture', lambda: 'other.jpg' in ui.headline())
    ui.page.wait_for_timeout(1000)
    ui.shot('6_several')
    with zipfile.ZipFile(ui.download('#download-all')) as file:
        assert sorted(file.namelist()) == ['other_restored.png', 'photo_restored.png'], file.namelist()
        assert np.array_equal(np.array(Image.open(file.open('photo_restored.png'))), world.restored(1))


def check_bad_file(ui, world):
    "a broken file alone, and no file at all, are answered with a sentence"
    ui.upload(world.files['broken'])
    ui.start()
    ui.until('the sentence', lambda: 'broken.png: cannot read this image' in ui.message())
    ui.shot('7_broken')
    ui.page.locator('#files button[aria-label="Clear"]').first.click()
    ui.page.wait_for_timeout(500)
    ui.start()
    ui.until('the sentence', lambda: 'upload one, or choose a sample' in ui.message())


def check_cancel(ui, world):
    "Cancel stops a long restoration; the next one, asked for at once, runs and revives nothing"
    ui.upload(world.files['large'])
    ui.page.locator('#ensemble input').check()
    ui.start()
    ui.until('progress', lambda: ' 4.0%' in ui.page.locator('#compare').inner_text())
    ui.shot('8_progress')
    ui.page.locator('#stop').click()
    ui.page.locator('#ensemble input').uncheck()
    ui.upload(world.files['photo'])
    ui.start()  # at once: the cancelled tile is still being computed
    ui.until('the word that it was cancelled', lambda: 'Cancelled; 0 of 1' in ui.message())
    ui.until('the next result', lambda: ui.shows(world.degraded, world.restored(1)))


def check_sample(ui, world):
    "a sample is restored as it is: no truth, no metrics"
    from skimage.data import chelsea
    ui.choose('#mode', 'Restore as it is')
    ui.page.locator('#samples button').first.click()
    ui.until('the sample', lambda: ui.shows(chelsea(), chelsea()))
    ui.start()
    ui.until('its restoration', lambda: ui.shows(chelsea(), world.restored(1, image=chelsea())))
    assert 'PSNR' not in ui.headline(), ui.headline()


def narrow(ui, name):
    ui.page.set_viewport_size(dict(width=420, height=900))
    ui.page.wait_for_timeout(500)
    ui.shot(name)
    wide = ui.page.evaluate('document.documentElement.scrollWidth')
    ui.page.set_viewport_size(WINDOW)
    assert wide <= 430, f'the page is {wide} pixels wide in a window of 420'


def check_narrow(ui, world):
    "a narrow window shows everything, one below the other"
    narrow(ui, '9_narrow')


WINDOW = dict(width=1400, height=900)
CHECKS = {
    'Predict': [check_predict_opens, check_predict_mistakes, check_predict_runs, check_predict_compares, check_predict_downloads, check_predict_settings,
                check_predict_cancels, check_predict_narrow],
    'Pathways': [check_path_opens, check_path_mistakes, check_path_runs, check_path_scrubs, check_path_overrides, check_path_steps, check_path_cancels, check_path_narrow],
    'Guided edit': [check_edit_opens, check_edit_mistakes, check_edit_draws, check_edit_scrubs, check_edit_downloads, check_edit_given, check_edit_cancels, check_edit_narrow],
    'Restore': [check_opens, check_preview, check_restores, check_slider, check_strength, check_other_settings, check_several, check_bad_file, check_cancel, check_sample,
                check_narrow],
    'Remove': [check_removal_opens, check_removal_mistakes, check_removal_runs, check_removal_downloads, check_removal_other_prior, check_removal_refines,
               check_removal_paints, check_removal_paints_again, check_removal_cancels, check_removal_narrow]}


class World:
    "Pictures, networks, and what must come out."
    def __init__(self, folder, random):
        import numpy as np
        from skimage.data import astronaut, coffee
        from vismod.degradation import degrade_fixed
        from vismod.images import save_image
        from vismod.path_session import EXAMPLES, example_edit
        from vismod.world_edits import between, make_world_edit
        self.examples, own = [example_edit(kind) for kind in EXAMPLES], make_world_edit('browser', 'recolour')
        self.example, self.ball, self.wish, self.paths = between(self.examples[1], 0), between(own, 0), own.instruction, {}
        self.models, self.cache = make_networks(folder, random), {}
        self.photo = coffee()[60:260, 120:420]
        self.degraded = degrade_fixed(self.photo, 35, 20, '444')
        large = np.tile(astronaut(), (5, 5, 1))
        self.files = {name: save_image(folder / f'{name}.{kind}', image) for name, kind, image in
                      (('photo', 'png', self.photo), ('other', 'jpg', astronaut()[:240, 100:300]), ('large', 'png', large), ('ball', 'png', self.ball))}
        self.files['broken'] = folder / 'broken.png'
        self.files['broken'].write_bytes(self.files['photo'].read_bytes()[:3000])
        self.make_films(folder)
        self.make_clips(folder)

    def make_clips(self, folder):
        "Films for the tabs Predict and Guided edit, and an adapter that was trained here."
        from vismod.edge_streams import write_edge_frames
        from vismod.edit_session import example_film
        from vismod.media import read_frames, write_video
        from vismod.predict_session import SHIPPED, example_clip
        self.adapters = folder / 'adapters'
        shutil.copytree(ROOT / SHIPPED, self.adapters / 'mine/best')
        self.clip_film, self.sentence = example_clip('drop', folder / 'clips')
        self.edit_film, self.cache_of_films = example_film('move', folder / 'films'), {}
        made = write_edge_frames(folder / 'given', read_frames(example_film('drop', folder / 'films')))
        self.edge_first = (made / 'init.png').rename(folder / 'beginning.png')
        self.edge_film = write_video(folder / 'edges.mkv', read_frames(made / 'edge_frames'), 12, lossless=True)

    def guessed(self, now=19, adapter='models/tiny/lora-world', seed=0, preset=''):
        "What the pipeline predicts of the example."
        from vismod.predict_session import ClipSession, open_clip, open_predictor
        key = now, adapter, seed, preset
        if key not in self.cache_of_films:
            session = self.cache_of_films[key] = ClipSession(open_clip(self.clip_film), now=now)
            session.run(open_predictor(adapter, 'cpu'), self.sentence, seed, preset)
        return self.cache_of_films[key]

    def ghosted(self, now=19):
        "What the page shows of the example before it is run."
        from vismod.predict_session import ClipSession, card_of, open_clip
        session = ClipSession(open_clip(self.clip_film))
        session.look(card_of('models/tiny/lora-world'), now)
        return session.pictures

    def drawn(self, what='film'):
        "What the pipeline draws of an example: a film by its own edges, or a picture by given ones without guidance."
        from vismod.edit_session import edit_pipeline, open_edit
        from vismod.edit_tab import edit_settings
        if what not in self.cache_of_films:
            given = what == 'given'
            session = self.cache_of_films[what] = open_edit(self.edge_film, self.edge_first, 4) if given else open_edit(self.edit_film, frames=4)
            session.start(edit_pipeline('tiny', 'models', 'cpu'), edit_settings('tiny', 0 if given else 1, 0 if given else .5, 0, .05, 2, 4, 1, 5 if given else 0, True, ''))
            for _ in session.draw(): pass
        return self.cache_of_films[what]

    def path(self, iterative=False):
        "What the pipeline itself finds for `ball` and `wish`."
        from vismod.path_session import path_pipeline
        from vismod.path_tab import path_settings
        if iterative not in self.paths:
            settings = path_settings(*(('iterative', 17, 2.0, 4, 2, 1, 1.5, 0, 0.05, 0, 0) if iterative else ('baseline', 17, 2.0, 4, 5, 3)))
            self.paths[iterative] = path_pipeline('tiny', 'models', 'cpu').edit(self.ball, self.wish, settings, seed=7)
        return self.paths[iterative]

    def make_films(self, folder):
        "Films for the tab Remove: the example, and files that are wrong or long."
        import cv2, numpy as np
        from skimage.data import astronaut
        from vismod.images import save_image
        from vismod.media import write_video
        from vismod.removal_session import open_film
        from vismod.remove_tab import offered, write_example
        self.example_film, self.example_mask, _ = write_example('moved', folder)
        self.film, self.passes, self.refiner = open_film(self.example_film), {}, 'diffueraser' in offered()[1]
        self.removal_files = {name: folder / f'{name}.mp4' for name in ('broken', 'endless', 'long')}
        self.removal_files['broken'].write_bytes(b'no film')
        write_video(self.removal_files['endless'], np.zeros((301, 32, 32, 3), np.uint8))
        write_video(self.removal_files['long'], (astronaut()[k:k + 360, k:k + 480] for k in range(30)))
        self.removal_files['mask'] = save_image(folder / 'square.png', cv2.rectangle(np.zeros((360, 480, 3), np.uint8), (200, 100), (260, 200), (255,) * 3, -1))

    def under_mask(self, index):
        "What the page shows of the example before it is run."
        from vismod.remove_tab import frame_pair
        self.film.forget()
        self.film.mask_from_file(self.example_mask)
        self.film.prepare(3)
        return frame_pair(self.film, index)

    def cleared(self, prior='flow', grow=3, refiner='none', words=''):
        "What the pass makes of the example."
        from vismod.prompts import RemovalPrompt
        from vismod.removal_settings import RemovalSettings, Weights
        from vismod.removal_session import open_film
        key = prior, grow, refiner, words
        if key not in self.passes:
            session = self.passes[key] = open_film(self.example_film)
            session.mask_from_file(self.example_mask)
            session.prepare(grow)
            session.remove(RemovalSettings(prior, refiner, use_text=bool(words)), Weights(device='cpu'), RemovalPrompt(words))
        return self.passes[key].removed

    def under_paint(self, paint, index):
        "What the page shows of the example when this was painted in frame 0."
        from vismod.mask_pad import pad_paint
        from vismod.removal_session import open_film
        from vismod.remove_tab import frame_pair
        if 'paint' not in self.passes:
            session = self.passes['paint'] = open_film(self.example_film)
            session.paint(pad_paint(json.dumps(dict(number=0, mask=paint)))[1], 0)
            session.mask_from_paint()
            session.prepare(1)
        return frame_pair(self.passes['paint'], index)

    @property
    def painted(self): return self.passes['paint']

    def cleared_paint(self):
        from vismod.removal_settings import RemovalSettings
        if not self.painted.removed: self.painted.remove(RemovalSettings('flow', 'none'))
        return self.painted.removed

    @property
    def other(self): return 5 if self.path().chosen != 5 else 6

    def restored(self, strength, name='s', image=None, **settings):
        from vismod.restorer import load_restorer, restore
        key = strength, name, image is None, *settings.items()
        if key not in self.cache:
            net = load_restorer(self.models / f'{name}.safetensors')
            self.cache[key] = restore(net, self.degraded if image is None else image, strength, **settings)
        return self.cache[key]


# Running

def report(passed, name, seconds, details=''):
    print(f'{"ok  " if passed else "FAIL"}  {name:<92} {seconds:6.1f} s', flush=True)
    for line in details.strip().splitlines()[-25:]: print(f'      {line}', flush=True)
    return passed


def run(name, action):
    "One check: (passed); an exception is its failure."
    start, details = time.time(), ''
    try: action()
    except Exception: details = traceback.format_exc()
    return report(not details, name, time.time() - start, details)


def local_page(browser, requests, complaints):
    "An empty page whose requests are written down; those that would leave this machine are stopped."
    page = browser.new_context(viewport=WINDOW, accept_downloads=True).new_page()
    page.set_default_timeout(PATIENCE * 1000)
    local = lambda url: urlsplit(url).scheme in ('data', 'blob', 'about') or urlsplit(url).hostname in ('127.0.0.1', 'localhost')
    page.context.route(lambda url: not local(url), lambda route: route.abort())
    page.on('request', lambda request: requests.append((local(request.url), request.url)))
    page.on('websocket', lambda socket: requests.append((local(socket.url), socket.url)))
    page.on('pageerror', lambda error: complaints.append(str(error)))
    return page


def watched(browser, address, requests, complaints):
    "The app in such a page."
    page = local_page(browser, requests, complaints)
    page.goto(address)
    page.get_by_role('tab', name='Pathways').wait_for()
    return page


def check_all(browser, folder, options):
    world, requests, complaints = World(folder, options.random), [], []
    tabs = [options.tab] if options.tab else [*CHECKS, 'JupyterLab']
    apps = [tab for tab in tabs if tab in CHECKS]
    (folder / 'empty').mkdir()
    print(f'networks: {"shipped" if world.models == ROOT / "models/restoration" else "random"}', flush=True)
    with ExitStack() as servers:  # the others start while the first is being used
        if apps: (address := servers.enter_context(serving(world.models, world.adapters)))()
        if 'Restore' in apps: bare = servers.enter_context(serving(folder / 'empty', folder / 'empty'))
        if 'JupyterLab' in tabs: lab = servers.enter_context(serving_lab(folder / 'lab', NOTEBOOK))
        for tab in apps:
            ui = Page(watched(browser, address(), requests, complaints), folder)
            for check in CHECKS[tab]:
                passed = run(check.__doc__, lambda: check(ui, world))
                if not passed: ui.shot(f'failed_{check.__name__}')
                yield passed
            if tab == 'Pathways' and options.screenshot: yield run(picture_of_path.__doc__, lambda: picture_of_path(ui, world, options.screenshot))
            ui.page.context.close()
        if 'Restore' in apps: yield run('without any network or adapter the page says so, and what to do', lambda: without_networks(browser, folder, world, bare(), requests, complaints))
        if 'JupyterLab' in tabs: yield from check_lab(browser, folder, lab)
    if not apps: return
    away = sorted({url for local, url in requests if not local})
    yield report(not away and len(requests) > 50, f'all {len(requests)} requests of the app stayed on this machine', 0, '\n'.join(away))
    yield report(not complaints, 'no script on the page failed', 0, '\n'.join(complaints))


def without_networks(browser, folder, world, address, requests, complaints):
    ui = Page(watched(browser, address, requests, complaints), folder)
    ui.open('Restore')
    ui.page.locator('#no-network').get_by_text('No network yet').wait_for()
    ui.upload(world.files['photo'])
    ui.start()
    ui.until('the sentence', lambda: 'there is no network' in ui.message())
    ui.shot('10_no_network')
    ui.page.context.close()


# JupyterLab

NOTEBOOK = '12_degradation'


def open_lab(browser, address, requests, complaints):
    "The notebook in JupyterLab, its kernel idle."
    page = local_page(browser, requests, complaints)
    page.goto(address.replace('/lab?', f'/lab/tree/{NOTEBOOK}.ipynb?reset&'))
    page.locator('.jp-NotebookPanel-toolbar .jp-Notebook-ExecutionIndicator[data-status=idle]').wait_for()  # before that, Run All does nothing now and then
    page.locator('.jp-NotebookPanel-toolbar .jp-KernelName').filter(has_not_text='No Kernel').wait_for()
    return page


def notebook_runs(ui):
    "JupyterLab: a notebook is opened, run all the way, and saved as clean as `make lab` promises, with its outputs and no error"
    cells, file = ui.page.locator('.jp-CodeCell'), ui.folder / f'lab/{NOTEBOOK}.ipynb'
    prompts = lambda: ui.page.locator('.jp-CodeCell .jp-InputPrompt').all_inner_texts()
    for _ in range(3):  # JupyterLab forgets the first wish now and then, while it is still opening the notebook
        ui.page.get_by_role('menuitem', name='Run', exact=True).click()
        ui.page.get_by_text('Run All Cells', exact=True).click()
        ui.page.wait_for_timeout(3000)
        if any(re.search(r'[\d*]', text) for text in prompts()): break
    ui.until('all cells to be run', lambda: all(re.fullmatch(r'\[\d+\]:', text.strip()) for text in prompts()), 2 * PATIENCE)
    before = file.stat().st_mtime_ns
    ui.page.keyboard.press('Control+s')
    ui.until('the saved file', lambda: file.stat().st_mtime_ns != before)
    saved = [cell for cell in json.loads(file.read_text())['cells'] if cell['cell_type'] == 'code']
    assert len(saved) == cells.count() > 10, (len(saved), cells.count())
    assert not [cell for cell in saved for output in cell['outputs'] if output['output_type'] == 'error'], 'a cell failed'
    assert not any(cell['execution_count'] for cell in saved), 'the notebook was not cleaned when it was saved'
    assert sum('image/jpeg' in output.get('data', {}) for cell in saved for output in cell['outputs']) >= 1, 'the figures are gone'


def panel_answers(ui):
    "JupyterLab: the panel of the notebook answers its slider with exactly the picture of the function"
    import cv2, numpy as np
    from skimage.data import chelsea
    from vismod.degradation import degrade_fixed
    shown = ui.page.locator('.jp-OutputArea-output img.widget-image').last
    shown.scroll_into_view_if_needed()
    slider = ui.page.locator('.widget-slider').filter(has_text='sigma').locator('.widget-readout')
    slider.fill('60')
    slider.press('Enter')
    def pixels():
        data = shown.evaluate("async image => Array.from(new Uint8Array(await (await fetch(image.src)).arrayBuffer()))")
        return cv2.imdecode(np.array(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    ui.until('the noisier picture', lambda: np.array_equal(pixels(), degrade_fixed(chelsea(), 60, 10)))
    ui.page.screenshot(path=SHOTS / 'lab.png')


def check_lab(browser, folder, address):
    requests, complaints, opened = [], [], []
    yield run('JupyterLab: it starts, opens a notebook and finds its kernel', lambda: opened.append(Page(open_lab(browser, address(), requests, complaints), folder)))
    if not opened: return
    for check in (notebook_runs, panel_answers):
        passed = run(check.__doc__, lambda: check(opened[0]))
        if not passed: opened[0].page.screenshot(path=SHOTS / f'failed_{check.__name__}.png')
        yield passed
    away = sorted({url for local, url in requests if not local})
    yield report(not away and len(requests) > 50, f'all {len(requests)} requests of JupyterLab stayed on this machine', 0, '\n'.join(away))
    opened[0].page.context.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--random', action='store_true', help='use random networks even where there are trained ones')
    parser.add_argument('--tab', choices=[*CHECKS, 'JupyterLab'], help='test only this tab')
    parser.add_argument('--screenshot', type=Path, help='where to put a picture of the tab Pathways')
    options = parser.parse_args()
    chromium = find_chromium()
    if not chromium: skip('there is no chromium (Debian: apt install chromium)')
    try: from playwright.sync_api import sync_playwright
    except ImportError: skip('there is no playwright (pip install playwright)')
    sys.path.insert(0, str(ROOT))
    shutil.rmtree(SHOTS, ignore_errors=True)
    SHOTS.mkdir(parents=True)
    def late(*_): raise SystemExit(f'stopped: the checks took more than {LIMIT} seconds')
    signal.signal(signal.SIGALRM, late)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('stopped'))  # not without stopping the servers
    signal.alarm(LIMIT)
    with tempfile.TemporaryDirectory(prefix='vismod-test-ui-') as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=['--no-sandbox', '--disable-background-networking'])
        results = list(check_all(browser, Path(folder), options))
        browser.close()
    print(f'{sum(results)} passed, {len(results) - sum(results)} failed', flush=True)
    return 0 if all(results) else 1


if __name__ == '__main__': sys.exit(main())
