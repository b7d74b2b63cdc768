#!/usr/bin/env python
"""The app in a real browser: upload, run, look, choose, download on every tab, everything measured against the functions themselves.

    .venv/bin/python .ci/test_ui.py              with the networks in models/restoration (random ones where there are none) and models/tiny
    .venv/bin/python .ci/test_ui.py --random     always with random restoration networks
    .venv/bin/python .ci/test_ui.py --tab Pathways --screenshot path.png    one tab; and a picture of it at its best, with an edit at full length

Needs a Chromium (Debian: apt install chromium; CHROMIUM=/path names another) and playwright (pip install playwright; its
own browsers are not needed). Without one of them nothing is tested, visibly. Screenshots go to runs/test_ui.
The last line is "N passed, M failed".
"""
import argparse, io, json, os, re, shutil, signal, subprocess, sys, tempfile, time, traceback, zipfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
SHOTS = ROOT / 'runs/test_ui'
PATIENCE = float(os.environ.get('PATIENCE', 60))  # seconds for one thing to happen in the browser
LIMIT = int(os.environ.get('TIMEOUT', 600))  # seconds for everything


def skip(reason):
    print(f'SKIPPED: the app was not tested in a browser: {reason}\n0 passed, 0 failed, 1 skipped', flush=True)
    sys.exit(0)


def find_chromium():
    named = os.environ.get('CHROMIUM')
    if named and not shutil.which(named): sys.exit(f'CHROMIUM is {named}, which is no program')
    return named or next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)


# The server under test

@contextmanager
def serving(models):
    "The app as a user starts it; yields its address, and stops it."
    environment = {key: value for key, value in os.environ.items() if key != 'IN_TEST'}
    command = [sys.executable, '-u', '-m', 'vismod.app', '--port', '0', '--device', 'cpu', '--models', str(models)]
    with tempfile.TemporaryFile('w+') as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        def said():
            log.seek(0)
            return log.read()
        try:
            start = time.time()
            while not (found := re.search(r'http://127\.0\.0\.1:\d+/', said())):
                if process.poll() is not None or time.time() - start > max(120, 2 * PATIENCE): raise RuntimeError(f'the app did not start:\n{said()[-2000:]}')
                time.sleep(.2)
            yield found[0]
        finally:
            process.terminate()
            try: process.wait(20)
            except subprocess.TimeoutExpired: process.kill()


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


# The checks of the tab Pathways, in the order in which a user would do these things

def check_path_opens(ui, world):
    "Pathways: the page opens with examples; a click on one brings picture and prompt"
    assert ui.page.title() == 'vismod', ui.page.title()
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
CHECKS = {'Pathways': [check_path_opens, check_path_mistakes, check_path_runs, check_path_scrubs, check_path_overrides, check_path_steps, check_path_cancels,
                       check_path_narrow],
          'Remove': [check_removal_opens, check_removal_mistakes, check_removal_runs, check_removal_downloads, check_removal_other_prior, check_removal_refines,
                     check_removal_paints, check_removal_paints_again, check_removal_cancels, check_removal_narrow],
          'Restore': [check_opens, check_preview, check_restores, check_slider, check_strength, check_other_settings, check_several, check_bad_file,
                      check_cancel, check_sample, check_narrow]}


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
        from vismod.removal_pass import RemovalSettings, Weights
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
        from vismod.removal_session import open_film
        from vismod.remove_tab import frame_pair, pad_paint
        if 'paint' not in self.passes:
            session = self.passes['paint'] = open_film(self.example_film)
            session.paint(pad_paint(json.dumps(dict(number=0, mask=paint)))[1], 0)
            session.mask_from_paint()
            session.prepare(1)
        return frame_pair(self.passes['paint'], index)

    @property
    def painted(self): return self.passes['paint']

    def cleared_paint(self):
        from vismod.removal_pass import RemovalSettings
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


def watched(browser, address, requests, complaints):
    "A page whose requests are written down; those that would leave this machine are stopped."
    page = browser.new_context(viewport=WINDOW, accept_downloads=True).new_page()
    page.set_default_timeout(PATIENCE * 1000)
    local = lambda url: urlsplit(url).scheme in ('data', 'blob', 'about') or urlsplit(url).hostname in ('127.0.0.1', 'localhost')
    page.context.route(lambda url: not local(url), lambda route: route.abort())
    page.on('request', lambda request: requests.append((local(request.url), request.url)))
    page.on('websocket', lambda socket: requests.append((local(socket.url), socket.url)))
    page.on('pageerror', lambda error: complaints.append(str(error)))
    page.goto(address)
    page.locator('#path-start').wait_for()
    return page


def check_all(browser, folder, options):
    world, requests, complaints = World(folder, options.random), [], []
    tabs = [options.tab] if options.tab else list(CHECKS)
    print(f'networks: {"shipped" if world.models == ROOT / "models/restoration" else "random"}', flush=True)
    with serving(world.models) as address:
        for tab in tabs:
            ui = Page(watched(browser, address, requests, complaints), folder)
            for check in CHECKS[tab]:
                passed = run(check.__doc__, lambda: check(ui, world))
                if not passed: ui.shot(f'failed_{check.__name__}')
                yield passed
            if tab == 'Pathways' and options.screenshot: yield run(picture_of_path.__doc__, lambda: picture_of_path(ui, world, options.screenshot))
            ui.page.context.close()
    if 'Restore' in tabs: yield run('without any network the page says so, and what to do', lambda: without_networks(browser, folder, world, requests, complaints))
    away = sorted({url for local, url in requests if not local})
    yield report(not away and len(requests) > 50, f'all {len(requests)} requests stayed on this machine', 0, '\n'.join(away))
    yield report(not complaints, 'no script on the page failed', 0, '\n'.join(complaints))


def without_networks(browser, folder, world, requests, complaints):
    (folder / 'empty').mkdir()
    with serving(folder / 'empty') as address:
        ui = Page(watched(browser, address, requests, complaints), folder)
        ui.open('Restore')
        ui.page.locator('#no-network').get_by_text('No network yet').wait_for()
        ui.upload(world.files['photo'])
        ui.start()
        ui.until('the sentence', lambda: 'there is no network' in ui.message())
        ui.shot('10_no_network')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--random', action='store_true', help='use random networks even where there are trained ones')
    parser.add_argument('--tab', choices=list(CHECKS), help='test only this tab')
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
    signal.alarm(LIMIT)
    with tempfile.TemporaryDirectory(prefix='vismod-test-ui-') as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=['--no-sandbox', '--disable-background-networking'])
        results = list(check_all(browser, Path(folder), options))
        browser.close()
    print(f'{sum(results)} passed, {len(results) - sum(results)} failed', flush=True)
    return 0 if all(results) else 1


if __name__ == '__main__': sys.exit(main())
