"""Everything about the package stands in settings.ini; this file only hands it to setuptools."""
import shlex
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=['='])  # ':' stays part of a value
config.read(here / 'settings.ini', encoding='utf-8')
settings = config['DEFAULT']
package = settings['lib_path']
readme = here / 'README.md'


def words(key):
    return shlex.split(settings.get(key, ''))


packages = find_packages(include=[package, f'{package}.*'])
if not packages: raise SystemExit(f'{package}/__init__.py is missing: run nbdev_export first')  # else: an empty package, installed without a word

# dev_requirements -> pip install '.[dev]', app_requirements -> '.[app]', ...; an empty list gives an empty extra
extras = {key.removesuffix('_requirements'): words(key) for key in settings if key.endswith('_requirements')}

setup(
    name=settings['lib_name'],
    version=settings['version'],
    description=settings['description'],
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
    long_description_content_type='text/markdown',
    author=settings['author'],
    author_email=settings['author_email'],
    keywords=settings['keywords'].split(),
    license='Apache-2.0',
    python_requires=f">={settings['min_python']}",
    packages=packages,
    package_dir={package: package, '': f'{package}/prototype'}, py_modules=['pipeline'],  # `from pipeline import Frame2FramePipeline`, as the first prototype had it
    install_requires=words('requirements'),
    extras_require=extras,
    entry_points={'nbdev': [f'{package}={package}._modidx:d'], 'console_scripts': words('console_scripts')},
    zip_safe=False,
)
